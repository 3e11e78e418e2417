import { Button, Center, Container } from "@mantine/core";
import { IconBuilding, IconLock, IconMapQuestion } from "@tabler/icons-react";
import { type ErrorComponentProps, Link, useRouter } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Page } from "@/components/ui/page";
import { Empty, Failure } from "@/components/ui/states";
import { useViewer } from "@/lib/viewer";

export function NotFound() {
  return (
    <Page title="Nothing here">
      <Empty
        icon={IconMapQuestion}
        title="This page does not exist"
        action={
          <Button variant="light" renderRoot={(props) => <Link to="/" {...props} />}>
            To the first page
          </Button>
        }
      >
        The address may be mistyped, or what it named is gone.
      </Empty>
    </Page>
  );
}

// Before anything is known about the viewer: no shell around it.
export function RootFailure({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  return (
    <Center h="100vh">
      <Container size="xs">
        <Failure
          title="The console can't start"
          error={error}
          retry={() => {
            reset();
            void router.invalidate();
          }}
        />
      </Container>
    </Center>
  );
}

export function PageFailure({ error, reset }: ErrorComponentProps) {
  return (
    <Page title="Something went wrong">
      <Failure error={error} retry={reset} />
    </Page>
  );
}

export function NoOrganisation() {
  const { user } = useViewer();
  return (
    <Page title={`Welcome${user ? `, ${user.displayName}` : ""}`}>
      <Empty icon={IconBuilding} title="You don't belong to an organisation yet">
        As soon as your onboarding is approved, what you may see appears here. Nothing is left for you to do.
      </Empty>
    </Page>
  );
}

// Keeps a page from those who may not see it, who may have followed a link.
export function Allowed({ permission, children }: { permission: string; children: ReactNode }) {
  const { can } = useViewer();
  if (can(permission)) return children;
  return (
    <Page title="Not allowed">
      <Empty icon={IconLock} title="You may not see this page">
        It needs the permission “{permission}”. An administrator of your organisation can give you a role that holds it.
      </Empty>
    </Page>
  );
}
