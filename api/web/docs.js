// Writes openapi.json as a page to read: one section per operation, then the schemas. Knows no more of OpenAPI than that file uses.
"use strict";

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

const nameOf = (reference) => reference.split("/").pop();

function resolve(api, node) {
  return node.$ref ? node.$ref.slice(2).split("/").reduce((at, key) => at[key], api) : node;
}

function typeOf(schema) {
  if (schema.$ref) return element("a", {href: `#schema-${nameOf(schema.$ref)}`}, nameOf(schema.$ref));
  if (schema.oneOf) return element("span", {}, ...schema.oneOf.flatMap((one, i) => (i ? [" or ", typeOf(one)] : [typeOf(one)])));
  if (schema.type === "array") return element("span", {}, "list of ", typeOf(schema.items));
  return element("span", {}, limitsOf(schema));
}

function limitsOf(schema) {
  const parts = [[].concat(schema.type ?? "any").join(" or ")];
  if (schema.format) parts.push(schema.format);
  if (schema.enum) parts.push(`one of ${schema.enum.join(", ")}`);
  if (schema.const !== undefined) parts.push(`always ${schema.const}`);
  if (schema.minimum !== undefined || schema.maximum !== undefined) parts.push(`${schema.minimum ?? "…"} to ${schema.maximum ?? "…"}`);
  if (schema.pattern) parts.push(`matching ${schema.pattern}`);
  if (schema.default !== undefined) parts.push(`default ${schema.default}`);
  return parts.join(", ");
}

function table(heads, rows) {
  return element("div", {class: "wide"}, element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", {scope: "col"}, head)))),
    element("tbody", {}, ...rows.map(([first, ...rest]) =>
      element("tr", {}, element("th", {scope: "row"}, first), ...rest.map((cell) => element("td", {}, cell)))))));
}

function operation(api, path, method, op, shared) {
  const parameters = [...shared, ...(op.parameters ?? [])].map((p) => resolve(api, p));
  const bodies = Object.entries(op.requestBody?.content ?? {});
  const answers = Object.entries(op.responses).map(([status, response]) => [status, resolve(api, response)]);
  return element("section", {id: op.operationId},
    element("h2", {}, element("span", {class: "method"}, method.toUpperCase()), " ", element("code", {}, path)),
    element("p", {}, element("strong", {}, op.summary), ". ", op.description ?? ""),
    parameters.length ? element("h3", {}, "Parameters") : null,
    parameters.length ? table(["Name", "In", "Type", "Meaning"], parameters.map((p) => [p.name, p.in, typeOf(p.schema), p.description ?? ""])) : null,
    bodies.length ? element("h3", {}, "Body") : null,
    bodies.length ? table(["Content-Type", "Content"], bodies.map(([type, body]) => [type, body.schema ? typeOf(body.schema) : "the bytes of the file"])) : null,
    element("h3", {}, "Answers"),
    table(["Status", "Content", "Meaning"], answers.map(([status, response]) => {
      const schema = Object.values(response.content ?? {})[0]?.schema;
      return [status, schema ? typeOf(schema) : "", response.description];
    })));
}

function schemaSection(name, schema) {
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(([key, value]) =>
    [required.has(key) ? key : `${key} (optional)`, typeOf(value), value.description ?? ""]);
  return element("section", {id: `schema-${name}`}, element("h3", {}, name), element("p", {}, schema.description ?? ""),
                 rows.length ? table(["Field", "Type", "Meaning"], rows) : element("p", {}, typeOf(schema)));
}

async function show() {
  const main = document.getElementById("main");
  try {
    const api = await (await fetch("openapi.json")).json();
    document.getElementById("title").textContent = `${api.info.title}, version ${api.info.version}`;
    const operations = Object.entries(api.paths).flatMap(([path, item]) => Object.entries(item)
      .filter(([method]) => method !== "parameters")
      .map(([method, op]) => ({path, method, op, shared: item.parameters ?? []})));
    main.replaceChildren(
      ...api.info.description.split("\n\n").map((text) => element("p", {}, text)),
      element("nav", {"aria-label": "Operations"}, element("ul", {}, ...operations.map(({path, method, op}) =>
        element("li", {}, element("a", {href: `#${op.operationId}`}, element("code", {}, `${method.toUpperCase()} ${path}`)), ` ${op.summary}`)))),
      ...operations.map(({path, method, op, shared}) => operation(api, path, method, op, shared)),
      element("h2", {}, "Schemas"),
      ...Object.entries(api.components.schemas).map(([name, schema]) => schemaSection(name, schema)));
  } catch (error) {
    main.replaceChildren(element("p", {class: "lost", role: "alert"}, `The description could not be read (${error.message}); open openapi.json itself.`));
  }
}

show();
