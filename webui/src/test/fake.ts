import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { Client_Kind, ClientService, GrantService, SessionService } from "@/gen/authserver/v1/authserver_pb";
import type { Event } from "@/gen/events/v1/event_pb";
import { AuditService } from "@/gen/services/audit/v1/audit_pb";
import { File_State, FilesService } from "@/gen/services/files/v1/files_pb";
import { IdentityService, Invitation_State, User_State } from "@/gen/services/identity/v1/identity_pb";
import { Message_State, NotifyService } from "@/gen/services/notify/v1/notify_pb";
import { RecordsService } from "@/gen/services/records/v1/records_pb";
import {
  type Run,
  Run_State,
  RunsService,
  Step_State,
  type Task,
  Task_Decision,
  Task_State,
  TaskSchema,
} from "@/gen/services/runs/v1/runs_pb";
import { ago, event, importProcess, onboardingProcess, run, task, uuid } from "./factories";

// A house that answers like the real one, for one person of one organisation. Tests change what it holds.
export class FakeHouse {
  permissions = ["*"];
  processes = [importProcess, onboardingProcess];
  runs: Run[] = [];
  events = new Map<string, Event[]>();
  tasks: Task[] = [];
  started: { process: string; input: unknown; key: string }[] = [];
  decide?: (task: Task) => ConnectError | undefined;
  recordsFault?: ConnectError;

  routes = (router: ConnectRouter): void => {
    this.#identity(router);
    this.#runs(router);
    this.#records(router);
    this.#files(router);
    this.#clients(router);
    this.#trail(router);
  };

  #identity(router: ConnectRouter) {
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
    router.service(IdentityService, {
      getMe: () => ({ user: users[0], organisation, permissions: this.permissions }),
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

  #runs(router: ConnectRouter) {
    router.service(RunsService, {
      listProcesses: () => ({ processes: this.processes }),
      getProcess: ({ name }) => this.processes.find((process) => process.name === name) ?? missing(),
      listRuns: ({ filter }) => ({
        runs: this.runs.filter(
          ({ state, process }) => !filter || filter.includes(`"${Run_State[state]}"`) || filter.includes(`process="${process}"`),
        ),
      }),
      getRun: ({ name }) => this.runs.find((known) => known.name === name) ?? missing(),
      listEvents: ({ run, after }) => {
        const events = this.events.get(run) ?? [];
        return { events: events.filter(({ seq }) => seq > after), seq: events.at(-1)?.seq ?? 0n };
      },
      startRun: ({ process, input, idempotencyKey, title }) => {
        this.started.push({ process, input, key: idempotencyKey });
        const begun = run({
          process,
          input,
          title,
          state: Run_State.STARTING,
          startTime: ago(0),
          steps: this.processes.find(({ name }) => name.endsWith(process))?.steps,
        });
        this.runs.unshift(begun);
        return begun;
      },
      pauseRun: ({ name }) => this.#steer(name, Run_State.PAUSED),
      resumeRun: ({ name }) => this.#steer(name, Run_State.RUNNING),
      cancelRun: ({ name }) => this.#steer(name, Run_State.COMPENSATING),
      listTasks: ({ filter }) => ({
        tasks: this.tasks.filter(({ state }) => (state === Task_State.OPEN) === filter.includes('state="OPEN"')),
      }),
      decideTask: ({ name, decision, reason, version }) => {
        const found = this.tasks.find((one) => one.name === name) ?? missing();
        const fault = this.decide?.(found);
        if (fault) throw fault;
        if (version !== found.version) throw new ConnectError("the task has changed", Code.FailedPrecondition);
        const decided = create(TaskSchema, {
          ...found,
          state: Task_State.DECIDED,
          decision,
          reason,
          decidedBy: "users/ada",
          decideTime: ago(0),
          version: version + 1n,
        });
        this.tasks = this.tasks.map((one) => (one === found ? decided : one));
        return decided;
      },
      claimTask: ({ name }) => this.tasks.find((one) => one.name === name) ?? missing(),
    });
  }

  #steer(name: string, state: Run_State): Run {
    const found = this.runs.find((known) => known.name === name) ?? missing();
    const steered = { ...found, state, seq: found.seq + 1n };
    this.runs = this.runs.map((known) => (known === found ? steered : known));
    return steered;
  }

  #records(router: ConnectRouter) {
    const flights = {
      name: "datasets/flights",
      title: "Flights 2013",
      schema: flightsSchema,
      key: ["time_hour", "carrier", "flight"],
      createTime: ago(86_400 * 2),
      updateTime: ago(400),
    };
    const planes = {
      name: "datasets/planes",
      title: "Planes",
      schema: {
        type: "object",
        properties: { tailnum: { type: "string" }, year: { type: "integer" }, seats: { type: "integer" } },
        required: ["tailnum"],
      },
      key: ["tailnum"],
      createTime: ago(86_400 * 9),
      updateTime: ago(86_400),
    };
    router.service(RecordsService, {
      listDatasets: () => ({ datasets: [flights, planes] }),
      getDataset: ({ name }) => [flights, planes].find((dataset) => dataset.name === name) ?? missing(),
      createDataset: ({ datasetId, dataset }) => ({
        title: dataset?.title,
        schema: dataset?.schema,
        key: dataset?.key,
        name: `datasets/${datasetId}`,
      }),
      countRecords: () => ({ count: 336_776n }),
      listRecords: () => {
        if (this.recordsFault) throw this.recordsFault;
        return { records: flightRows, nextPageToken: "next" };
      },
      proposeSchema: () => ({
        schema: flightsSchema,
        rows: 2_947n,
        columns: Object.entries(flightsSchema.properties).map(([name, { type }]) => ({
          name,
          type,
          nullable: !flightsSchema.required.includes(name),
          unique: false,
          examples: flightRows
            .map(({ data }) => JSON.stringify((data as Record<string, unknown>)[name] ?? "").replaceAll('"', ""))
            .slice(0, 3),
        })),
      }),
    });
  }

  #files(router: ConnectRouter) {
    const stored = {
      name: "files/0197a000-0000-7000-8000-00000000f11e",
      fileName: "flights.csv.gz",
      size: 8_200_150n,
      state: File_State.READY,
      createTime: ago(500),
    };
    router.service(FilesService, {
      listFiles: () => ({
        files: [stored, { ...stored, name: `files/${uuid()}`, fileName: "planes.csv", size: 247_198n, createTime: ago(86_400) }],
      }),
      createUpload: ({ fileName, size }) => ({
        file: { ...stored, fileName, size },
        url: "/files/blob?signed",
        headers: { "Content-Type": "application/gzip" },
      }),
      completeUpload: () => stored,
      getFile: ({ name }) => ({ ...stored, name }),
      createDownload: () => ({ url: "/files/blob?download" }),
    });
  }

  #clients(router: ConnectRouter) {
    router.service(ClientService, {
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
    router.service(SessionService, {
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
    router.service(GrantService, {
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

  #trail(router: ConnectRouter) {
    router.service(AuditService, {
      listEntries: () => ({
        entries: trail.map(([action, actor, target, reason], index) => ({
          name: `auditEntries/${uuid()}`,
          action,
          actor,
          target,
          reason,
          time: ago(index * 340 + 40),
          remoteAddress: "192.0.2.7",
          position: BigInt(512 - index),
          after: { state: "DISABLED" },
          before: { state: "ACTIVE" },
        })),
      }),
      verifyChain: () => ({ valid: true, entries: 512n }),
    });
    router.service(NotifyService, {
      listMessages: () => ({
        messages: [
          {
            name: `messages/${uuid()}`,
            template: "invitation",
            recipient: "grace@example.org",
            state: Message_State.SENT,
            createTime: ago(7190),
            sendTime: ago(7188),
            run: `runs/${uuid()}`,
          },
          {
            name: `messages/${uuid()}`,
            template: "welcome",
            recipient: "alan@example.org",
            state: Message_State.FAILED,
            error: "450 mailbox unavailable",
            createTime: ago(86_400),
            run: `runs/${uuid()}`,
          },
        ],
      }),
    });
  }
}

function missing(): never {
  throw new ConnectError("not found", Code.NotFound);
}

const people: [id: string, name: string, state: User_State, role: string][] = [
  ["ada", "Ada Lovelace", User_State.ACTIVE, "admin"],
  ["edsger", "Edsger Dijkstra", User_State.ACTIVE, "operator"],
  ["barbara", "Barbara Liskov", User_State.ACTIVE, "approver"],
  ["grace", "Grace Hopper", User_State.INVITED, "member"],
  ["niklaus", "Niklaus Wirth", User_State.DISABLED, "viewer"],
];

const trail: [action: string, actor: string, target: string, reason: string][] = [
  ["services.identity.v1.IdentityService/DisableUser", "users/ada", "users/niklaus", "left the company"],
  ["services.runs.v1.RunsService/StartRun", "users/edsger", "runs/0197a000-0000-7000-8000-00000000ab12", ""],
  ["services.records.v1.RecordsService/CreateDataset", "users/edsger", "datasets/flights", ""],
  ["authserver.v1.ClientService/CreateClient", "users/ada", "clients/nightly-import", ""],
  [
    "services.runs.v1.RunsService/DecideTask",
    "users/barbara",
    "tasks/0197a000-0000-7000-8000-00000000cd34",
    "known from the interview",
  ],
];

const integer = { type: "integer" };
const flightsSchema = {
  type: "object",
  properties: {
    time_hour: { type: "string", format: "date-time" },
    carrier: { type: "string" },
    flight: integer,
    tailnum: { type: "string" },
    origin: { type: "string" },
    dest: { type: "string" },
    dep_time: integer,
    dep_delay: { type: "number" },
    arr_delay: { type: "number" },
    distance: { type: "number" },
  },
  required: ["time_hour", "carrier", "flight", "origin", "dest", "distance"],
};

const flightRows = Array.from({ length: 18 }, (_, index) => {
  const carrier = ["UA", "AA", "B6", "DL", "EV"][index % 5] ?? "UA";
  const time = `2013-01-01T${String(5 + Math.floor(index / 4)).padStart(2, "0")}:00:00Z`;
  return {
    name: `datasets/flights/records/${index}`,
    key: [time, carrier, String(1500 + index * 7)],
    data: {
      time_hour: time,
      carrier,
      flight: 1500 + index * 7,
      tailnum: `N${14228 + index * 31}`,
      origin: ["EWR", "LGA", "JFK"][index % 3] ?? "EWR",
      dest: ["IAH", "MIA", "BQN", "ATL"][index % 4] ?? "IAH",
      dep_time: 517 + index * 9,
      dep_delay: index % 6 === 5 ? null : (index * 5) % 17,
      arr_delay: index % 6 === 5 ? null : 11 - index,
      distance: 700 + index * 45,
    },
    createTime: ago(900),
    updateTime: ago(900),
  };
});

// A house in the middle of its day: an import half done, a person waiting for approval, some history.
export function busyHouse(): FakeHouse {
  const house = new FakeHouse();
  const [plan, chunks, finish] = importProcess.steps;
  if (!plan || !chunks || !finish) throw new Error("the process has three steps");
  const importing = run({
    title: "flights.csv.gz into flights",
    actor: "users/edsger",
    startTime: ago(11),
    seq: 9n,
    step: "import",
    progress: { done: 160_000n, total: 336_776n, unit: "rows" },
    input: { file: "files/0197a000-0000-7000-8000-00000000f11e", dataset: "datasets/flights", mode: "UPSERT" },
    steps: [
      { ...plan, state: Step_State.SUCCEEDED, attempt: 1, message: "17 chunks, 336,776 rows", startTime: ago(11), endTime: ago(9) },
      { ...chunks, state: Step_State.RUNNING, attempt: 2, message: "chunk 9 of 17", startTime: ago(9) },
      finish,
    ],
  });
  const done = (seconds: number, rows: number) => ({
    time: ago(seconds),
    progress: { done: BigInt(rows), total: 336_776n, unit: "rows" },
  });
  house.events.set(importing.name, [
    event("run.started", { seq: 1n, time: ago(11), actor: "users/edsger", state: "STARTING" }),
    event("step.started", { seq: 2n, step: "plan", attempt: 1, time: ago(11) }),
    event("step.succeeded", { seq: 3n, step: "plan", attempt: 1, ...done(9, 0) }),
    event("step.started", { seq: 4n, step: "import", item: 1, attempt: 1, time: ago(9) }),
    event("step.succeeded", { seq: 5n, step: "import", item: 1, attempt: 1, ...done(7, 40_000) }),
    event("step.started", { seq: 6n, step: "import", item: 3, attempt: 2, time: ago(6), message: "the worker stopped" }),
    event("step.progress", { seq: 7n, step: "import", item: 3, attempt: 2, ...done(4, 90_000) }),
    event("step.succeeded", { seq: 8n, step: "import", item: 3, attempt: 2, ...done(3, 120_000) }),
    event("step.succeeded", { seq: 9n, step: "import", item: 4, attempt: 1, ...done(1, 160_000) }),
  ]);
  const finished = run({
    title: "planes.csv into planes",
    actor: "users/ada",
    state: Run_State.COMPLETED,
    startTime: ago(5400),
    endTime: ago(5395),
    seq: 7n,
    progress: { done: 3322n, total: 3322n, unit: "rows" },
    input: { file: "files/0197a000-0000-7000-8000-00000000f22e", dataset: "datasets/planes", mode: "UPSERT" },
    result: {
      read: "3322",
      inserted: "3301",
      updated: "9",
      unchanged: "0",
      rejected: "12",
      rejects: "files/0197a000-0000-7000-8000-00000000f33e",
    },
    steps: [plan, chunks, finish].map((one) => ({
      ...one,
      state: Step_State.SUCCEEDED,
      attempt: 1,
      startTime: ago(5400),
      endTime: ago(5397),
    })),
  });
  const [invite, mail, accept, approve, member, welcome] = onboardingProcess.steps;
  if (!invite || !mail || !accept || !approve || !member || !welcome) throw new Error("the process has six steps");
  const waiting = run({
    process: "onboarding",
    title: "grace@example.org",
    state: Run_State.WAITING,
    startTime: ago(7200),
    step: "approve",
    seq: 8n,
    input: { email: "grace@example.org", displayName: "Grace Hopper", role: "member" },
    steps: [
      ...[invite, mail, accept].map((one) => ({
        ...one,
        state: Step_State.SUCCEEDED,
        attempt: 1,
        startTime: ago(7200),
        endTime: ago(3600),
      })),
      { ...approve, state: Step_State.WAITING, startTime: ago(3600) },
      member,
      welcome,
    ],
  });
  const broken = run({
    title: "airports.csv into airports",
    actor: "clients/nightly-import",
    state: Run_State.FAILED,
    startTime: ago(90_000),
    endTime: ago(89_990),
    error: {
      code: "invalid_argument",
      message: "Line 1: the header names the column “faa” twice.",
      step: "plan",
      reason: "DUPLICATE_HEADER",
    },
    steps: [
      {
        ...plan,
        state: Step_State.FAILED,
        attempt: 1,
        message: "Line 1: the header names the column “faa” twice.",
        startTime: ago(90_000),
        endTime: ago(89_990),
      },
      chunks,
      finish,
    ],
  });
  house.runs = [
    importing,
    waiting,
    finished,
    run({
      process: "onboarding",
      title: "alan@example.org",
      state: Run_State.COMPLETED,
      startTime: ago(86_400),
      endTime: ago(80_000),
    }),
    run({
      title: "weather.csv into weather",
      state: Run_State.PAUSED,
      startTime: ago(88_000),
      step: "import",
      progress: { done: 12_000n, total: 26_115n, unit: "rows" },
    }),
    broken,
    run({
      process: "onboarding",
      title: "kurt@example.org",
      state: Run_State.CANCELLED,
      startTime: ago(172_000),
      endTime: ago(171_000),
    }),
  ];
  house.tasks = [
    task({
      run: waiting.name,
      description: "Grace has accepted the invitation and verified the address.",
      context: { email: "grace@example.org", displayName: "Grace Hopper", role: "member", invitedBy: "Ada Lovelace" },
      formSchema: { type: "object", properties: { team: { type: "string", title: "Team", enum: ["Compilers", "Operations"] } } },
    }),
    task({ title: "Approve Kurt Gödel as viewer", createTime: ago(9000) }),
    task({
      title: "Approve Alan Turing as operator",
      state: Task_State.DECIDED,
      decision: Task_Decision.APPROVE,
      decidedBy: "users/barbara",
      decideTime: ago(80_000),
      reason: "known from the interview",
    }),
  ];
  return house;
}
