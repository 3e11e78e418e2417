import { useEffect, useState } from "react";

// A dialog that is taken off the page whole leaves the focus nowhere. This gives it back to what opened the dialog; a menu's
// entry is gone by then, so the menu's button has it.
export function useFocusReturn() {
  const [opener] = useState(() => {
    const active = document.activeElement;
    const menu = active?.closest("[role=menu]");
    return menu ? document.getElementById(menu.getAttribute("aria-labelledby") ?? "") : active;
  });
  useEffect(
    () => () => {
      setTimeout(() => {
        const lost = document.activeElement === null || document.activeElement === document.body;
        if (lost && opener instanceof HTMLElement && opener.isConnected) opener.focus();
      });
    },
    [opener],
  );
}
