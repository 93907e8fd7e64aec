// Requests to the API. What it refuses comes as a Refused with the problem it told (RFC 9457).

const ROOT = new URL("../v1/", document.baseURI);
const PATIENCE_MS = 10_000;

let csrf = "";

/** What goes along with every write from now on. */
export function setCsrf(text) {
  csrf = text ?? "";
}

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the API answered ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** The body of the answer. Throws Refused, or a TypeError if there was none. */
export async function ask(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrf) headers["Tapewire-Csrf"] = csrf;
  const answer = await fetch(new URL(path, ROOT), {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "same-origin",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const text = await answer.text();
  let found = {};
  if (text) {
    try {
      found = JSON.parse(text);
    } catch {
      throw new Refused(answer.status, { title: `the API answered ${answer.status} with something that is no JSON` });
    }
  }
  if (!answer.ok) throw new Refused(answer.status, found);
  return found;
}

/** A refusal in one line: what, of which field, and the two numbers compared. */
export function sentence(error) {
  if (!(error instanceof Refused)) return error.name === "TimeoutError" ? "the API does not answer" : error.message;
  const { field, reason, value, limit } = error.problem;
  const why = reason && !error.message.includes(reason) ? ` (${reason})` : "";
  const which = field && !error.message.includes(field) ? `${field}: ` : "";
  const numbers = value !== undefined && limit !== undefined && !error.message.includes(value) ? `: ${value} against ${limit}` : "";
  return which + error.message + why + numbers;
}
