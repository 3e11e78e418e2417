import { useQuery } from "@connectrpc/connect-query";
import { IdentityService, type User } from "@/gen/services/identity/v1/identity_pb";
import { type Process, RunsService } from "@/gen/services/runs/v1/runs_pb";
import { humanise, idOf, shortName } from "./names";
import { useViewer } from "./viewer";

// What many pages name but few change: processes, people, roles. Asked for once and kept for five minutes.
const KEEP = 5 * 60_000;

export function useProcesses() {
  const { can } = useViewer();
  return useQuery(RunsService.method.listProcesses, {}, { staleTime: KEEP, enabled: can("runs.read") });
}

// A process by its bare name; undefined while the catalogue is not here, and for processes that nobody starts by hand.
export function useProcess(process: string): Process | undefined {
  const { data } = useProcesses();
  return data?.processes.find(({ name }) => idOf(name) === process);
}

// Title of a process by its bare name: "recordimport" -> "Import records".
export function useProcessTitle(): (process: string) => string {
  const { data } = useProcesses();
  return (process) => data?.processes.find(({ name }) => idOf(name) === process)?.title || humanise(process);
}

export function useRoles() {
  const { can } = useViewer();
  return useQuery(IdentityService.method.listRoles, {}, { staleTime: KEEP, enabled: can("identity.read") });
}

// The organisation's people, as far as the viewer may know them.
export function usePeople() {
  const { can } = useViewer();
  return useQuery(IdentityService.method.listUsers, { pageSize: 1000 }, { staleTime: KEEP, enabled: can("identity.read") });
}

// Who "users/ID" or "clients/ID" is, as far as the viewer may know.
export function useActorName(): (actor: string) => string {
  const viewer = useViewer();
  const { data } = usePeople();
  return (actor) => actorName(actor, viewer.user, data?.users);
}

export function actorName(actor: string, self: User | undefined, users: readonly User[] | undefined): string {
  if (actor === "") return "The house";
  if (actor === self?.name) return "You";
  const known = users?.find(({ name }) => name === actor);
  if (known) return known.displayName;
  const kinds: Record<string, string> = {
    users: "Person",
    clients: "Client",
    facts: "Event",
    runs: "Run",
    services: "",
    processes: "",
  };
  const kind = kinds[actor.slice(0, actor.indexOf("/"))];
  if (kind === undefined) return actor;
  const id = shortName(idOf(actor));
  return kind ? `${kind} ${id}` : humanise(id);
}
