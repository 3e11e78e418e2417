import { useQuery } from "@connectrpc/connect-query";
import { Menu, Text, UnstyledButton, Group, Box } from "@mantine/core";
import { IconBuilding, IconCheck, IconSelector } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { failed } from "@/components/ui/toast";
import { IdentityService } from "@/gen/services/identity/v1/identity_pb";
import { useApp } from "@/lib/app";
import { useViewer } from "@/lib/viewer";

// The active organisation, and the way into another one: a new token, an empty cache, the first page.
export function OrganisationMenu() {
  const { organisation } = useViewer();
  const { tokens, live } = useApp();
  const client = useQueryClient();
  const router = useRouter();
  const { data } = useQuery(IdentityService.method.listOrganisations, {}, { staleTime: 60_000 });
  const organisations = data?.organisations ?? [];
  const enter = async (name: string) => {
    try {
      await tokens.switchTo(name);
      await router.navigate({ to: "/" });
      client.clear();
      live.restart();
      await router.invalidate();
    } catch (error) {
      failed(error);
    }
  };
  return (
    <Menu width="target" position="bottom-start" disabled={organisations.length < 2}>
      <Menu.Target>
        <UnstyledButton
          px="sm"
          py={8}
          bdrs="md"
          w="100%"
          bd="1px solid var(--mantine-color-default-border)"
          aria-label={`Organisation: ${organisation?.displayName ?? "none"}`}
          style={{ cursor: organisations.length < 2 ? "default" : undefined }}
          data-testid="organisation"
        >
          <Group gap={8} wrap="nowrap">
            <IconBuilding size={16} stroke={1.7} />
            <Text size="sm" fw={550} truncate flex={1}>
              {organisation?.displayName ?? "No organisation"}
            </Text>
            {organisations.length > 1 && <IconSelector size={14} opacity={0.6} />}
          </Group>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        {organisations.map(({ name, displayName }) => (
          <Menu.Item
            key={name}
            onClick={() => void enter(name)}
            rightSection={name === organisation?.name ? <IconCheck size={14} /> : <Box w={14} />}
          >
            {displayName}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
