const grouped = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

// "336,776". int64 arrives as bigint from messages and as string from inside a Struct.
export function formatCount(value: bigint | number | string): string {
  return grouped.format(typeof value === "string" ? BigInt(value) : value);
}

// "12.4K".
export const formatShort = (value: number) => short.format(value);

// "8.2 MB".
export function formatBytes(bytes: bigint | number): string {
  let size = Number(bytes);
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (size < 1000) return `${size < 10 && unit !== "B" ? size.toFixed(1) : Math.round(size)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} TB`;
}

// "rows" for 2, "row" for 1.
export const plural = (count: bigint | number, noun: string) => (Number(count) === 1 ? noun.replace(/s$/, "") : noun);
