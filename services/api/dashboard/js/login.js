// The door: name and password; the session is a cookie that no script can read.

import { html, useState } from "./dom.js";
import { ask, sentence } from "./rest.js";

export function Login({ onEnter }) {
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const go = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    setBusy(true);
    ask("POST", "login", { user: form.get("user"), password: form.get("password") })
      .then(onEnter)
      .catch((error) => {
        setProblem(sentence(error));
        setBusy(false);
      });
  };
  return html`<main class="login">
    <form onSubmit=${go}>
      <h1><span class="mark" aria-hidden="true"><i></i><i></i><i></i></span> Tapewire</h1>
      <label class="field"><span>User</span><input name="user" autocomplete="username" autofocus required /></label>
      <label class="field"><span>Password</span><input name="password" type="password" autocomplete="current-password" required /></label>
      ${problem && html`<p class="alarm" role="alert">${problem}</p>`}
      <button class="strong accent" disabled=${busy}>Enter</button>
    </form>
  </main>`;
}
