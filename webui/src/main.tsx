import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "@/components/app.css";
import { addStaticKeyToTransport } from "@connectrpc/connect-query";
import { RouterProvider } from "@tanstack/react-router";
import { setNonce } from "get-nonce";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { TokenSource } from "@/lib/auth";
import { Live } from "@/lib/live";
import { createQueryClient } from "@/lib/query";
import { createTransport } from "@/lib/transport";
import { Providers } from "./providers";
import { createAppRouter } from "./router";

const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content;
// For the style element that locks scrolling under an open dialog.
if (nonce) setNonce(nonce);

const tokens = new TokenSource();
const live = new Live({ tokens });
addEventListener("online", () => live.restart());
const queryClient = createQueryClient();
const transport = addStaticKeyToTransport(createTransport(tokens), "house");
const router = createAppRouter({ queryClient, transport });

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <Providers app={{ tokens, live }} transport={transport} queryClient={queryClient} nonce={nonce}>
      <RouterProvider router={router} />
    </Providers>
  </StrictMode>,
);
