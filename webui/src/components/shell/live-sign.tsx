import { Box, Tooltip } from "@mantine/core";
import { useLiveStatus } from "@/lib/app";

const signs = {
  open: { color: "teal", label: "Live: changes appear by themselves" },
  connecting: { color: "gray", label: "Connecting…" },
  down: { color: "orange", label: "Not connected: looking for changes every few seconds" },
};

// Whether what is on screen is live.
export function LiveSign() {
  const status = useLiveStatus();
  const { color, label } = signs[status];
  return (
    <Tooltip label={label}>
      <Box role="status" aria-label={label} p={8} data-testid="live-status" data-status={status}>
        <Box w={8} h={8} bdrs="xl" bg={`${color}.6`} />
      </Box>
    </Tooltip>
  );
}
