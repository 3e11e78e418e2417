import { notifications } from "@mantine/notifications";
import { cleanup, configure } from "@testing-library/react";
import { afterEach } from "vitest";

// Pages load their parts when they are first opened, which takes a moment on a busy machine.
configure({ asyncUtilTimeout: 30_000 });

afterEach(() => {
  cleanup();
  notifications.clean();
});

// What Mantine asks of a browser and jsdom does not have.
const nothing = () => undefined;
Object.defineProperty(document, "fonts", { value: { addEventListener: nothing, removeEventListener: nothing } });
Object.defineProperties(window, {
  scrollTo: { value: nothing },
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
