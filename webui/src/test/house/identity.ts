import { IdentityService, Invitation_State, User_State } from "@/gen/services/identity/v1/identity_pb";
import { ago, uuid } from "../factories";
import type { Serve } from "./serve";

// Five people of one organisation; the first is the viewer.
export function identity(serve: Serve, permissions: () => string[]) {
  const users = people.map(([id, displayName, state, role], index) => ({
    name: `users/${id}`,
    displayName,
    email: `${id}@example.org`,
    state,
    emailVerified: state !== User_State.INVITED,
    roles: [role],
    createTime: ago(86_400 * (40 - index * 5)),
    signInTime: state === User_State.ACTIVE ? ago(index * 7000 + 200) : undefined,
  }));
  const organisation = { name: "organisations/1", displayName: "Northwind Air" };
  const me = { user: users[0], organisation, digest: true };
  serve(IdentityService, {
    getMe: () => ({ ...me, permissions: permissions() }),
    updateMe: ({ digest }) => {
      me.digest = digest ?? me.digest;
      return { ...me, permissions: permissions() };
    },
    listOrganisations: () => ({ organisations: [organisation, { name: "organisations/2", displayName: "Northwind Cargo" }] }),
    listUsers: ({ filter }) => ({
      users: users.filter(({ displayName }) => !filter.includes("Zz") || displayName.includes("Zz")),
    }),
    listRoles: () => ({
      roles: [
        { name: "roles/admin", title: "Administrator", permissions: ["*"], builtin: true },
        {
          name: "roles/operator",
          title: "Operator",
          permissions: ["runs.*", "tasks.*", "records.*", "files.*", "identity.read"],
          builtin: true,
        },
        { name: "roles/approver", title: "Approver", permissions: ["runs.read", "tasks.*"], builtin: true },
        {
          name: "roles/member",
          title: "Member",
          permissions: ["runs.read", "runs.write", "tasks.read", "records.*", "files.*"],
          builtin: true,
        },
        { name: "roles/dispatcher", title: "Dispatcher", permissions: ["runs.read", "records.read"], builtin: false },
      ],
    }),
    listInvitations: () => ({
      invitations: [
        {
          name: `invitations/${uuid()}`,
          displayName: "Grace Hopper",
          email: "grace@example.org",
          state: Invitation_State.PENDING,
          run: `runs/${uuid()}`,
          createTime: ago(7200),
          expireTime: ago(-12 * 86_400),
        },
        {
          name: `invitations/${uuid()}`,
          displayName: "Alan Turing",
          email: "alan@example.org",
          state: Invitation_State.ACCEPTED,
          run: `runs/${uuid()}`,
          createTime: ago(86_400 * 3),
          expireTime: ago(-9 * 86_400),
        },
      ],
    }),
  });
}

const people: [id: string, name: string, state: User_State, role: string][] = [
  ["ada", "Ada Lovelace", User_State.ACTIVE, "admin"],
  ["edsger", "Edsger Dijkstra", User_State.ACTIVE, "operator"],
  ["barbara", "Barbara Liskov", User_State.ACTIVE, "approver"],
  ["grace", "Grace Hopper", User_State.INVITED, "member"],
  ["niklaus", "Niklaus Wirth", User_State.DISABLED, "viewer"],
];
