import { createQueryOptions, useSuspenseQuery } from "@connectrpc/connect-query";
import type { Transport } from "@connectrpc/connect";
import { type GetMeResponse, IdentityService, type Organisation, type User } from "@/gen/services/identity/v1/identity_pb";
import { idOf } from "./names";

export interface Viewer {
  user: User | undefined;
  organisation: Organisation | undefined;
  // True if the viewer's roles hold the permission: "runs.write". Pages hide what would be refused.
  can: (permission: string) => boolean;
}

export const viewerQuery = (transport: Transport) => createQueryOptions(IdentityService.method.getMe, {}, { transport });

// The root route loads it before anything is drawn, so it never waits.
export function useViewer(): Viewer {
  const { data } = useSuspenseQuery(IdentityService.method.getMe, {}, { staleTime: 60_000 });
  return viewerOf(data);
}

export function viewerOf({ user, organisation, permissions }: GetMeResponse): Viewer {
  return { user, organisation, can: (permission) => holds(permissions, permission) };
}

// "*" holds everything, "runs.*" everything of a room.
export function holds(permissions: readonly string[], permission: string): boolean {
  const room = permission.slice(0, permission.indexOf("."));
  return permissions.some((held) => held === "*" || held === permission || held === `${room}.*`);
}

// Live topics of the viewer.
export const runsTopic = ({ organisation }: Viewer) => organisation && `org:${idOf(organisation.name)}:runs`;
export const inboxTopic = ({ user }: Viewer) => user && `user:${idOf(user.name)}:inbox`;
