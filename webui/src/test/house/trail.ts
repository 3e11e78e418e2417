import { AuditService } from "@/gen/services/audit/v1/audit_pb";
import { Message_State, NotifyService } from "@/gen/services/notify/v1/notify_pb";
import { ago, uuid } from "../factories";
import type { Serve } from "./serve";

// What was done, and which mails went out.
export function trail(serve: Serve) {
  serve(AuditService, {
    listEntries: () => ({
      entries: entries.map(([action, actor, target, reason], index) => ({
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
  serve(NotifyService, {
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

const entries: [action: string, actor: string, target: string, reason: string][] = [
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
