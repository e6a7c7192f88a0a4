// Says what is wrong with an AsyncAPI document, one line each; nothing if it is good.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
for (const { severity, code, message, path } of diagnostics) {
  console.log(`${["error", "warning", "information", "hint"][severity]} ${code} at ${path.join("/")}: ${message}`);
}
if (document) {
  console.error(`${document.version()}: ${document.allOperations().length} operations, ${document.allMessages().length} messages`);
}
