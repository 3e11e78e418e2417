import { type DescService, getOption } from "@bufbuild/protobuf";
import { ClientService, GrantService, KeyService, SessionService } from "@/gen/authserver/v1/authserver_pb";
import { rule } from "@/gen/internal/auth/v1/rule_pb";
import { AuditService } from "@/gen/services/audit/v1/audit_pb";
import { FilesService } from "@/gen/services/files/v1/files_pb";
import { IdentityService } from "@/gen/services/identity/v1/identity_pb";
import { NotifyService } from "@/gen/services/notify/v1/notify_pb";
import { RecordsService } from "@/gen/services/records/v1/records_pb";
import { RunsService } from "@/gen/services/runs/v1/runs_pb";

// The doors say themselves which permission and scope each method needs; nothing is listed twice.
const doors: DescService[] = [
  AuditService,
  ClientService,
  FilesService,
  GrantService,
  IdentityService,
  KeyService,
  NotifyService,
  RecordsService,
  RunsService,
  SessionService,
];

const rules = doors.flatMap(({ methods }) => methods.map((method) => getOption(method, rule)));
const distinct = (words: string[]) => [...new Set(words.filter(Boolean))].sort();

// "records.read", "records.write", …
export const permissions = distinct(rules.map(({ permission }) => permission));

// "records:read", "records:write", …; what they allow is written here, for the people who grant them.
export const scopes = distinct(rules.flatMap(({ scope }) => scope.split(" ")));

const rooms: Record<string, string> = {
  identity: "people, memberships, roles and invitations",
  runs: "processes, runs and tasks",
  records: "datasets and their records",
  files: "uploaded files",
  notify: "the list of sent messages",
  audit: "the audit trail",
  clients: "registered clients and signing keys",
};

const special: Record<string, string> = {
  openid: "Sign people in",
  profile: "See a person's name",
  email: "See a person's e-mail address",
  offline_access: "Keep access while the person is away",
  admin: "Everything in this organisation",
};

// Scopes of people, who sign in; a machine has none of these.
export const signInScopes = ["openid", "profile", "email", "offline_access"];

export function describeScope(scope: string): string {
  const [room = "", verb] = scope.split(":");
  return special[scope] ?? `${verb === "write" ? "See and change" : "See"} ${rooms[room] ?? room}`;
}
