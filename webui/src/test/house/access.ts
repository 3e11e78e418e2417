import { Client_Kind, ClientService, GrantService, SessionService } from "@/gen/authserver/v1/authserver_pb";
import { ago, uuid } from "../factories";
import type { Serve } from "./serve";

// Clients, sessions and grants: who else may come in.
export function access(serve: Serve) {
  serve(ClientService, {
    listClients: () => ({
      clients: [
        {
          name: "clients/nightly-import",
          title: "Nightly import",
          kind: Client_Kind.MACHINE,
          scopes: ["runs:write", "records:write", "files:write"],
          createTime: ago(86_400 * 20),
          lastUseTime: ago(31_000),
        },
        {
          name: "clients/crew-portal",
          title: "Crew portal",
          kind: Client_Kind.CONFIDENTIAL,
          scopes: ["openid", "profile", "records:read"],
          createTime: ago(86_400 * 6),
          lastUseTime: ago(300),
        },
      ],
    }),
    createClient: ({ client }) => ({
      client,
      clientId: "3f6c0f0e",
      clientSecret: "mshub_8Kq2vY0c5Zt1nW4xR7eLbP9sD3gHjUfMaQyT6oViXk",
    }),
    rotateClientSecret: ({ name }) => ({
      client: { name, title: "Nightly import", kind: Client_Kind.MACHINE },
      clientId: "nightly-import",
      clientSecret: "mshub_new",
    }),
  });
  serve(SessionService, {
    listSessions: () => ({
      sessions: [
        {
          name: `sessions/${uuid()}`,
          remoteAddress: "192.0.2.7",
          userAgent: "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0",
          createTime: ago(7000),
          lastUseTime: ago(20),
          current: true,
        },
        {
          name: `sessions/${uuid()}`,
          remoteAddress: "198.51.100.23",
          userAgent: "Mozilla/5.0 (iPhone) Safari/605",
          createTime: ago(86_400 * 4),
          lastUseTime: ago(50_000),
        },
      ],
    }),
    revokeSession: () => ({}),
  });
  serve(GrantService, {
    listGrants: () => ({
      grants: [
        {
          name: `grants/${uuid()}`,
          client: "clients/crew-portal",
          clientTitle: "Crew portal",
          scopes: ["openid", "profile", "records:read"],
          createTime: ago(86_400 * 5),
          lastUseTime: ago(300),
        },
      ],
    }),
    revokeGrant: () => ({}),
  });
}
