import { cleanup } from "@testing-library/react";
import { afterEach } from "vitest";

afterEach(cleanup);

// What Mantine asks of a browser and jsdom does not have.
const nothing = () => undefined;
Object.defineProperties(window, {
  matchMedia: { value: (media: string) => ({ media, matches: false, addEventListener: nothing, removeEventListener: nothing }) },
  ResizeObserver: {
    value: class {
      observe = nothing;
      unobserve = nothing;
      disconnect = nothing;
    },
  },
});
window.HTMLElement.prototype.scrollIntoView = nothing;
