import type { Transport } from "@connectrpc/connect";
import { TransportProvider } from "@connectrpc/connect-query";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { type QueryClient, QueryClientProvider } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { theme } from "@/components/theme";
import { type App, AppContext } from "@/lib/app";

interface ProvidersProps {
  app: App;
  transport: Transport;
  queryClient: QueryClient;
  nonce?: string;
  children: ReactNode;
}

// Everything that components find by context.
export function Providers({ app, transport, queryClient, nonce, children }: ProvidersProps) {
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={nonce ? () => nonce : undefined}>
      <TransportProvider transport={transport}>
        <QueryClientProvider client={queryClient}>
          <AppContext value={app}>
            {children}
            <Notifications position="bottom-right" />
          </AppContext>
        </QueryClientProvider>
      </TransportProvider>
    </MantineProvider>
  );
}
