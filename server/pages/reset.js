// The link's secret stands behind the #, so it reaches no log; opening the page changes nothing.
const { reset_id } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const form = document.querySelector("#form");
const words = document.querySelector("#words");
const button = document.querySelector("#save");

if (!reset_id) {
  words.textContent = "Something is missing here: open the whole link from the mail.";
  form.hidden = true;
}

addEventListener("hashchange", () => location.reload());

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  try {
    const response = await fetch("/api/user/reset_pass", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ reset_id, new_pass: document.querySelector("#password").value }),
    });
    const answer = await response.json();
    const fault = answer.error?.fields?.new_pass ?? answer.error;
    words.textContent = answer.code === 200 ? "Done. You can sign in with it now." : fault.message;
    form.hidden = answer.code === 200;
  } catch {
    words.textContent = "The server cannot be reached. Try again.";
  }
  button.disabled = false;
});
