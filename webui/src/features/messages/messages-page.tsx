import { useInfiniteQuery } from "@connectrpc/connect-query";
import { Anchor, Text } from "@mantine/core";
import { IconMail } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ColumnDef } from "@tanstack/react-table";
import { Moment } from "@/components/ui/moment";
import { Page } from "@/components/ui/page";
import { StateBadge } from "@/components/ui/state";
import { Empty, Loaded } from "@/components/ui/states";
import { DataTable, LoadMore } from "@/components/ui/table";
import { type Message, Message_State, NotifyService } from "@/gen/services/notify/v1/notify_pb";
import { humanise, idOf } from "@/lib/names";

export function MessagesPage() {
  const query = useInfiniteQuery(
    NotifyService.method.listMessages,
    { pageSize: 100, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined },
  );
  return (
    <Page title="Messages" subtitle="Mail that was sent: to whom, which, and whether it left. Never its text.">
      <Loaded query={query}>
        {({ pages }) => (
          <DataTable
            label="Messages"
            rows={pages.flatMap(({ messages }) => messages)}
            columns={columns}
            rowId={({ name }) => idOf(name)}
            minWidth={720}
            footer={<LoadMore query={query} />}
            empty={
              <Empty icon={IconMail} title="No messages yet">
                Invitations, reminders and welcome mails appear here.
              </Empty>
            }
          />
        )}
      </Loaded>
    </Page>
  );
}

const columns: ColumnDef<Message>[] = [
  {
    header: "To",
    cell: ({ row: { original } }) => (
      <Text size="sm" fw={550}>
        {original.recipient}
      </Text>
    ),
  },
  { header: "Message", cell: ({ row: { original } }) => humanise(original.template) },
  {
    header: "State",
    cell: ({ row: { original } }) => (
      <>
        <StateBadge state={Message_State[original.state]} />
        {original.error && (
          <Text size="xs" c="red" mt={2}>
            {original.error}
          </Text>
        )}
      </>
    ),
  },
  { header: "Sent", cell: ({ row: { original } }) => <Moment time={original.sendTime ?? original.createTime} /> },
  {
    header: "Run",
    cell: ({ row: { original } }) =>
      original.run && (
        <Anchor size="sm" renderRoot={(props) => <Link to="/runs/$runId" params={{ runId: idOf(original.run) }} {...props} />}>
          Show the run
        </Anchor>
      ),
  },
];
