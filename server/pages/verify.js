// The link's secret stands behind the #, so it reaches no log; opening the page changes nothing.
const fields = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const words = document.querySelector("#words");
const button = document.querySelector("#confirm");

if (!fields.ver_id || !fields.login) {
  words.textContent = "Something is missing here: open the whole link from the mail.";
  button.hidden = true;
}

addEventListener("hashchange", () => location.reload());

button.addEventListener("click", async () => {
  button.disabled = true;
  try {
    const response = await fetch("/api/user/verification", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ver_id: fields.ver_id, login: fields.login }),
    });
    const answer = await response.json();
    words.textContent = answer.code === 200 ? "Done. You can sign in now." : answer.error.message;
    button.disabled = answer.code === 200 || answer.code === 400;
  } catch {
    words.textContent = "The server cannot be reached. Try again.";
    button.disabled = false;
  }
});
