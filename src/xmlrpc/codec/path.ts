/** Most parts of a path that are shown at each end of it. */
const pathEnd = 10;

/** The place of a value, such as `params[0].items[3].id`: names of members and indices of elements, from outside in. */
export function joinPath(parts: readonly (string | number)[]): string {
  let path = "";
  for (const [i, part] of parts.entries()) {
    if (i >= pathEnd && i < parts.length - pathEnd) {
      if (i === pathEnd) path += `.(${parts.length - pathEnd * 2} more)`;
    } else path = joinPart(path, part);
  }
  return path;
}

/** A place within a place. */
export function joinPart(path: string, part: string | number): string {
  if (typeof part === "number") return `${path}[${part}]`;
  const name = part.length > 40 ? `(a name of ${part.length} characters)` : part;
  return path === "" || name === "" ? path + name : `${path}.${name}`;
}
