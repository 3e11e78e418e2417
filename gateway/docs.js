(() => {
  const search = document.getElementById("search");
  const none = document.getElementById("none");
  const rooms = [...document.querySelectorAll("nav .room")];
  const parts = [...document.querySelectorAll("nav .part")];
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const part of parts) part.hidden = words.length > 0;
    for (const room of rooms) {
      let shown = 0;
      for (const item of room.querySelectorAll("[data-find]")) {
        const text = (item.dataset.find + " " + room.firstElementChild.textContent).toLowerCase();
        item.hidden = !words.every((word) => text.includes(word));
        if (!item.hidden) shown++;
      }
      room.hidden = shown === 0;
      found += shown;
    }
    none.hidden = found > 0;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== search) {
      event.preventDefault();
      search.focus();
    }
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const first = document.querySelector("nav [data-find]:not([hidden]) a");
    if (first) first.click();
  });
  if (navigator.clipboard)
    for (const button of document.querySelectorAll(".copy")) {
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(button.nextElementSibling.textContent);
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), 1500);
      });
    }
})();
