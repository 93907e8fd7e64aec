// Shows /openapi.json. Everything is set as text, never as markup.

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
};
const named = (reference) => reference.split("/").pop();

// What a schema says, in a few words.
const words = (schema) => {
  if (!schema) return "";
  if (schema.$ref) return make("a", { href: `#schema-${named(schema.$ref)}` }, named(schema.$ref));
  if (schema.enum) return schema.enum.map(String).join(" | ");
  if (schema.anyOf) return schema.anyOf.flatMap((one, at) => (at ? [" | ", words(one)] : [words(one)])).flat();
  if (schema.type === "array" && schema.prefixItems) return ["[", schema.prefixItems.flatMap((one, at) => (at ? [", ", words(one)] : [words(one)])).flat(), "]"].flat();
  if (schema.type === "array") return ["list of ", words(schema.items)].flat();
  const bounds = [];
  if (schema.minimum !== undefined || schema.maximum !== undefined) bounds.push(`${schema.minimum ?? ""} to ${schema.maximum ?? ""}`);
  if (schema.pattern) bounds.push(schema.pattern);
  return [schema.type ?? "anything", bounds.length ? ` (${bounds.join(", ")})` : ""].join("");
};
const spread = (value) => (Array.isArray(value) ? value : [value]);

const table = (head, rows) =>
  make("table", {}, make("thead", {}, make("tr", {}, head.map((text) => make("th", {}, text)))), make("tbody", {}, rows));

const properties = (schema) => {
  const required = new Set(schema.required ?? []);
  return table(
    ["field", "holds", ""],
    Object.entries(schema.properties ?? {}).map(([name, one]) =>
      make("tr", {}, make("td", {}, make("code", {}, name)), make("td", {}, ...spread(words(one))),
        make("td", { class: "dim" }, required.has(name) ? "required" : one.default !== undefined ? `default ${JSON.stringify(one.default)}` : "")),
    ),
  );
};

const operation = (method, path, one, components) => {
  const id = `${method}-${path}`;
  const parts = [
    make("h3", {}, make("span", { class: `method ${method}` }, method.toUpperCase()), " ", make("code", {}, path), " ", one.summary),
    make("p", {}, one.description),
  ];
  if (one.parameters) {
    parts.push(make("h4", {}, "Parameters"), table(["name", "in", "holds", ""], one.parameters.map((p) =>
      make("tr", {}, make("td", {}, make("code", {}, p.name)), make("td", {}, p.in), make("td", {}, ...spread(words(p.schema))),
        make("td", { class: "dim" }, p.description ?? "")))));
  }
  const body = one.requestBody?.content["application/json"];
  if (body) {
    parts.push(make("h4", {}, "Body"), properties(components.schemas[named(body.schema.$ref)]));
    const example = body.examples?.example?.value;
    if (example) parts.push(make("pre", {}, JSON.stringify(example, null, 2)));
  }
  parts.push(make("h4", {}, "Answers"), table(["status", "holds", ""], Object.entries(one.responses).map(([status, answer]) => {
    const problem = answer.$ref ? components.responses[named(answer.$ref)] : null;
    const content = Object.values((problem ?? answer).content ?? {})[0];
    return make("tr", {}, make("td", {}, status), make("td", {}, ...spread(words(content?.schema))),
      make("td", { class: "dim" }, (problem ?? answer).description));
  })));
  return make("section", { class: "operation", id }, ...parts);
};

const problems = (components) => table(["status", "type", "means"], Object.entries(components.responses).map(([status, one]) => {
  const example = Object.values(one.content)[0].example;
  return make("tr", { id: named(example.type.replace("#", "/")) }, make("td", {}, status), make("td", {}, make("code", {}, example.type)),
    make("td", {}, one.description));
}));

const show = (api) => {
  const index = document.getElementById("index");
  const main = document.getElementById("document");
  main.replaceChildren(...api.info.description.trim().split("\n\n").map((text) => make("p", {}, text)));
  for (const { name } of api.tags) {
    main.append(make("h2", { id: name }, name));
    index.append(make("h4", {}, name));
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, one] of Object.entries(methods)) {
        if (one.tags[0] !== name) continue;
        main.append(operation(method, path, one, api.components));
        index.append(make("a", { href: `#${method}-${path}` }, make("span", { class: `method ${method}` }, method.toUpperCase()), ` ${path}`));
      }
    }
  }
  main.append(make("h2", { id: "problems" }, "problems"), problems(api.components));
  main.append(make("h2", { id: "shapes" }, "shapes"));
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    main.append(make("section", { class: "operation", id: `schema-${name}` }, make("h3", {}, name),
      make("p", { class: "dim" }, schema.description ?? ""), properties(schema)));
  }
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
};

try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`openapi.json: ${answer.status}`);
  show(await answer.json());
} catch (error) {
  document.getElementById("document").replaceChildren(make("p", {}, String(error)));
}
