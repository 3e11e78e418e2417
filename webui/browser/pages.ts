import { idOf } from "@/lib/names";
import { busyHouse } from "@/test/house/busy";

// Every page of the console, with the house that fills it.
export const house = busyHouse();
const [importing, waiting, finished, , , broken, parked, queued] = house.runs.map(({ name }) => `/runs/${idOf(name)}`);
export const pages: Record<string, string> = {
  runs: "/runs",
  "run-importing": importing ?? "",
  "run-finished": finished ?? "",
  "run-waiting": waiting ?? "",
  "run-failed": broken ?? "",
  "run-parked": parked ?? "",
  "run-queued": queued ?? "",
  inbox: "/inbox",
  "inbox-votes": `/inbox?task=${idOf(house.tasks[1]?.name ?? "")}`,
  processes: "/processes",
  load: "/load",
  schedules: "/schedules",
  schedule: "/schedules/nightly-import",
  "schedule-new": "/schedules?create=true&process=recordimport",
  "start-import": "/processes/recordimport",
  "start-onboarding": "/processes/onboarding",
  datasets: "/datasets",
  dataset: "/datasets/flights",
  import: "/import",
  people: "/people",
  invitations: "/people?tab=invitations",
  roles: "/people?tab=roles",
  clients: "/clients",
  account: "/account",
  audit: "/audit",
  messages: "/messages",
  missing: "/nowhere",
};
