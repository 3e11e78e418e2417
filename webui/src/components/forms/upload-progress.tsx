import { Button, Group, Progress, Stack, Text } from "@mantine/core";
import type { UploadProgress as State } from "@/lib/upload";

const words = { hashing: "Reading the file", sending: "Sending", checking: "Checking what arrived" };

export function UploadProgress({ name, progress, onStop }: { name: string; progress: State; onStop: () => void }) {
  const { phase, part } = progress;
  // Reading is fast and comes first; sending is what takes time.
  const percent = phase === "hashing" ? part * 10 : phase === "sending" ? 10 + part * 88 : 99;
  return (
    <Stack gap={6} role="status">
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm" truncate>
          {words[phase]}: {name}
        </Text>
        <Button size="compact-xs" variant="subtle" color="gray" onClick={onStop}>
          Stop
        </Button>
      </Group>
      <Progress value={percent} animated aria-label={`Upload of ${name}`} />
    </Stack>
  );
}
