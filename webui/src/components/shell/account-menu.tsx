import {
  Avatar,
  Group,
  Menu,
  SegmentedControl,
  Stack,
  Text,
  UnstyledButton,
  useMantineColorScheme,
  VisuallyHidden,
} from "@mantine/core";
import { IconDeviceLaptop, IconLogout, IconPlugConnected } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useViewer } from "@/lib/viewer";

// The person: sessions, granted apps, appearance, the way out.
export function AccountMenu() {
  const { user } = useViewer();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const name = user?.displayName ?? "Account";
  return (
    <Menu width={250} position="top-start">
      <Menu.Target>
        <UnstyledButton px="sm" py={6} bdrs="md" flex={1} miw={0} data-testid="account-menu">
          <Group gap={10} wrap="nowrap">
            <Avatar size={30} radius="xl" name={name} color="harbour" alt="" aria-hidden />
            <VisuallyHidden>Account of</VisuallyHidden>
            <Stack gap={0} miw={0}>
              <Text size="sm" fw={550} truncate>
                {name}
              </Text>
              <Text size="xs" c="dimmed" truncate>
                {user?.email}
              </Text>
            </Stack>
          </Group>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconDeviceLaptop size={16} />} renderRoot={(props) => <Link to="/account" {...props} />}>
          Sessions
        </Menu.Item>
        <Menu.Item
          leftSection={<IconPlugConnected size={16} />}
          renderRoot={(props) => <Link to="/account" hash="apps" {...props} />}
        >
          Apps with access
        </Menu.Item>
        <Menu.Divider />
        <Menu.Label>Appearance</Menu.Label>
        <SegmentedControl
          aria-label="Appearance"
          fullWidth
          size="xs"
          mx={6}
          mb={6}
          value={colorScheme}
          onChange={(value) => setColorScheme(value)}
          data={[
            { value: "auto", label: "System" },
            { value: "light", label: "Light" },
            { value: "dark", label: "Dark" },
          ]}
        />
        <Menu.Divider />
        {/* The session is the server's, so leaving it is a page of the server, with a question and a form. */}
        <Menu.Item leftSection={<IconLogout size={16} />} component="a" href="/signout">
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
