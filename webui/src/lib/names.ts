// Resource names are "collection/ID"; pages and links use the ID alone.
export const idOf = (name: string) => name.slice(name.lastIndexOf("/") + 1);

// The start of a UUIDv7 is a time; its end tells two of the same second apart.
export const shortId = (name: string) => idOf(name).slice(-8);

// "runs/0197a000-…-00000000ab12" -> "runs/…0000ab12"; names that people chose stay whole.
export const shortName = (name: string) =>
  name.replace(/^(.*\/)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{4}([0-9a-f]{8})$/, "$1…$2");

// "displayName" and "dep_delay" -> "Display name", "Dep delay".
export function humanise(name: string): string {
  const words = name
    .replace(/[_-]+/g, " ")
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
