import { Run_State, Schedule_Overlap, Step_State, Task_Decision, Task_State } from "@/gen/services/runs/v1/runs_pb";
import { ago, event, reject, run, schedule, task } from "../factories";
import { importProcess, onboardingProcess } from "../processes";
import { FakeHouse } from "./house";

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
  const parked = run({
    process: "onboarding",
    title: "margaret@example.org",
    key: "margaret@example.org",
    state: Run_State.WAITING,
    parked: true,
    startTime: ago(1300),
    step: "mail",
    build: "4fd8aa9c1b2d",
    seq: 5n,
    input: { email: "margaret@example.org", displayName: "Margaret Hamilton", role: "member" },
    steps: [
      { ...invite, state: Step_State.SUCCEEDED, attempt: 1, startTime: ago(1300), endTime: ago(1299) },
      {
        ...mail,
        state: Step_State.FAILED,
        attempt: 5,
        message: "450 mailbox unavailable",
        startTime: ago(1299),
        endTime: ago(900),
      },
      accept,
      approve,
      member,
      welcome,
    ],
  });
  const queued = run({
    title: "weather-2014.csv into weather",
    key: "weather",
    state: Run_State.QUEUED,
    priority: 4,
    queuePosition: 3n,
    schedule: "schedules/nightly-import",
    startTime: ago(140),
    steps: importProcess.steps,
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
    parked,
    queued,
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
    task({
      title: "Approve Kurt Gödel as viewer",
      createTime: ago(9000),
      dueTime: ago(600),
      quorum: 2,
      fourEyes: true,
      escalated: true,
      approveLabel: "Let in",
      rejectLabel: "Turn away",
      files: ["files/0197a000-0000-7000-8000-00000000f11e"],
      votes: [{ decision: Task_Decision.APPROVE, actor: "users/barbara", reason: "known from the interview", time: ago(300) }],
    }),
    task({ title: "Approve Emmy Noether as operator", assignee: "users/edsger", decidable: false, createTime: ago(400) }),
    task({
      title: "Approve Alan Turing as operator",
      state: Task_State.DECIDED,
      decision: Task_Decision.APPROVE,
      decidedBy: "users/barbara",
      decideTime: ago(80_000),
      reason: "known from the interview",
    }),
  ];
  house.schedules = [
    schedule({
      input: { file: "files/0197a000-0000-7000-8000-00000000f11e", dataset: "datasets/weather", mode: "UPSERT" },
      recentRuns: [queued.name],
      skipped: 2n,
    }),
    schedule({
      name: "schedules/digest",
      title: "",
      process: "digest",
      cron: "@daily",
      timeZone: "",
      actor: "processes/digest",
      overlap: Schedule_Overlap.BUFFER_ONE,
      paused: true,
      pauseReason: "nobody reads it over the holidays",
      nextTimes: [],
    }),
  ];
  house.load = {
    builds: [
      { build: "4fd8aa9c1b2d", process: "recordimport", runs: 2n },
      { build: "13950e0aa001", process: "onboarding", runs: 1n },
      { build: "", process: "recordimport", runs: 12n },
    ],
    limits: [{ process: "recordimport", limit: 2, running: 2n, queued: 12n }],
  };
  house.rejects = [
    reject(17),
    reject(230, {
      cells: { tailnum: "N505UA", year: "?", seats: "12" },
      faults: [{ column: "year", value: "?", reason: "is no whole number" }],
    }),
  ];
  return house;
}
