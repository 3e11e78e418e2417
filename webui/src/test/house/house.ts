import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectError, ConnectRouter } from "@connectrpc/connect";
import type { Event } from "@/gen/events/v1/event_pb";
import type { Reject } from "@/gen/services/records/v1/records_pb";
import { type LoadSchema, type Run, RunsService, type Schedule, type Task } from "@/gen/services/runs/v1/runs_pb";
import { bulkProcess, exportProcess, importProcess, onboardingProcess } from "../processes";
import { access } from "./access";
import { files } from "./files";
import { identity } from "./identity";
import { records } from "./records";
import { runs } from "./runs";
import { schedules } from "./schedules";
import type { Serve } from "./serve";
import { tasks } from "./tasks";
import { trail } from "./trail";

// A house that answers like the real one, for one person of one organisation. Tests change what it holds.
export class FakeHouse {
  permissions = ["*"];
  processes = [importProcess, exportProcess, onboardingProcess, bulkProcess];
  runs: Run[] = [];
  events = new Map<string, Event[]>();
  tasks: Task[] = [];
  schedules: Schedule[] = [];
  rejects: Reject[] = [];
  load: MessageInitShape<typeof LoadSchema> = {};
  // Name of a method -> what it answers in place of doing its work.
  faults: Record<string, ConnectError> = {};
  // Every request so far: the method's name and what was asked.
  asked: { method: string; request: unknown }[] = [];

  // What a method was asked, oldest first.
  requests(method: string): unknown[] {
    return this.asked.filter((one) => one.method === method).map(({ request }) => request);
  }

  routes = (router: ConnectRouter): void => {
    const serve: Serve = (service, implementation) => {
      router.service(service, this.#watched(implementation));
    };
    identity(serve, () => this.permissions);
    serve(RunsService, { ...runs(this), ...tasks(this), ...schedules(this) });
    records(serve, this);
    files(serve);
    access(serve);
    trail(serve);
  };

  #watched<T extends object>(implementation: T): T {
    const methods = Object.entries(implementation) as [string, (request: unknown, context: unknown) => unknown][];
    return Object.fromEntries(
      methods.map(([method, answer]) => [
        method,
        (request: unknown, context: unknown) => {
          this.asked.push({ method, request });
          if (this.faults[method]) throw this.faults[method];
          return answer(request, context);
        },
      ]),
    ) as T;
  }
}
