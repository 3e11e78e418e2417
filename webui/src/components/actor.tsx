import { Text, Tooltip } from "@mantine/core";
import { useActorName } from "@/lib/catalogue";

// A person, client or run by name; the resource name is in the tooltip.
export function Actor({ name }: { name: string }) {
  const nameOf = useActorName();
  return (
    <Tooltip label={name} disabled={!name}>
      <Text span inherit truncate maw={220} display="inline-block" style={{ verticalAlign: "bottom" }}>
        {nameOf(name)}
      </Text>
    </Tooltip>
  );
}
