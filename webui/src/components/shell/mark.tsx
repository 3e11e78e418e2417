import { Group, Image, Text } from "@mantine/core";

export function Mark() {
  return (
    <Group gap={9} wrap="nowrap">
      <Image src="/favicon.svg" alt="" w={24} h={24} />
      <Text fw={650} fz={15} lts="-0.01em">
        MicroServiceHub
      </Text>
    </Group>
  );
}
