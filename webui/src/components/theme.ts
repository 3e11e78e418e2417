import { Badge, Button, createTheme, Modal, NumberInput, Paper, Table, Tooltip, type MantineColorsTuple } from "@mantine/core";

// One calm blue for what can be acted on; state colours (components/ui/state.tsx) are for state alone.
const harbour: MantineColorsTuple = [
  "#eef2fc",
  "#dbe3f6",
  "#b5c5ec",
  "#8ba4e2",
  "#6988da",
  "#5376d5",
  "#476dd4",
  "#385cbc",
  "#3052a9",
  "#244795",
];

// Waiting for somebody. The yellow of the palette is too pale to be read on its own tint.
const amber: MantineColorsTuple = [
  "#fff8e6",
  "#fdeec4",
  "#f9dd92",
  "#f2c85e",
  "#e6b03a",
  "#cf951f",
  "#b07a10",
  "#8d600b",
  "#724d08",
  "#5a3c05",
];

// The dark side leans to blue, like the light one.
const dark: MantineColorsTuple = [
  "#d3d8e0",
  "#bcc3cd",
  "#949dab",
  "#6b7482",
  "#3a414c",
  "#2e343e",
  "#23282f",
  "#1b1f25",
  "#15181d",
  "#101216",
];

export const theme = createTheme({
  primaryColor: "harbour",
  primaryShade: { light: 7, dark: 5 },
  autoContrast: true,
  colors: { harbour, amber, dark },
  fontFamily: "'Inter Variable', system-ui, -apple-system, 'Segoe UI', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Mono', 'DejaVu Sans Mono', Menlo, monospace",
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  headings: {
    fontWeight: "620",
    sizes: { h1: { fontSize: "1.375rem" }, h2: { fontSize: "1.0625rem" }, h3: { fontSize: "0.9375rem" } },
  },
  components: {
    Badge: Badge.extend({ defaultProps: { variant: "light", radius: "sm", tt: "none", fw: 550 } }),
    Button: Button.extend({ defaultProps: { size: "sm" } }),
    Modal: Modal.extend({
      defaultProps: { centered: true, closeButtonProps: { "aria-label": "Close" } },
      styles: { title: { fontWeight: 620 } },
    }),
    // A figure out of bounds is refused with words, never turned into another one.
    NumberInput: NumberInput.extend({ defaultProps: { clampBehavior: "none" } }),
    Paper: Paper.extend({ defaultProps: { withBorder: true, radius: "md" } }),
    Table: Table.extend({ defaultProps: { verticalSpacing: 7, horizontalSpacing: "md", fz: "sm" } }),
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 250, withArrow: true } }),
  },
});
