import { Button, Tooltip, VisuallyHidden } from "@mantine/core";
import { IconListCheck, IconPlus, IconStack2 } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useId, useState } from "react";
import { Page } from "@/components/ui/page";
import { Empty, Failure, Loaded } from "@/components/ui/states";
import { DataTable, LoadMore } from "@/components/ui/table";
import type { Run } from "@/gen/services/runs/v1/runs_pb";
import { useProcesses, useProcessTitle } from "@/lib/catalogue";
import { idOf } from "@/lib/names";
import { useViewer } from "@/lib/viewer";
import { useRuns } from "./api";
import { BULK, BulkDialog } from "./bulk-dialog";
import { filterText, type RunFilter } from "./model/filter";
import { RunsFilter } from "./runs-filter";
import { runColumns } from "./runs-table";

interface RunsPageProps {
  filter: RunFilter;
  onFilter: (filter: RunFilter) => void;
  // Told of the run that gives many others a command.
  onBulk: (run: Run) => void;
}

export function RunsPage({ filter, onFilter, onBulk }: RunsPageProps) {
  const { can } = useViewer();
  const titleOf = useProcessTitle();
  const processes = useProcesses();
  const query = useRuns(filter);
  const [bulk, setBulk] = useState(false);
  const filtered = Object.values(filter).some(Boolean);
  const bulkable = processes.data?.processes.some(({ name, startable }) => idOf(name) === BULK && startable);
  return (
    <Page
      title="Runs"
      subtitle="Every process in motion and everything that has ended, newest first."
      actions={
        can("runs.write") && (
          <>
            {bulkable && filtered && <BulkButton filter={filter} onClick={() => setBulk(true)} />}
            <Button renderRoot={(props) => <Link to="/processes" {...props} />} leftSection={<IconPlus size={16} />}>
              Start a process
            </Button>
          </>
        )
      }
    >
      <RunsFilter filter={filter} onFilter={onFilter} />
      {/* Rows that are there stay while a later look fails; then this says so. */}
      {query.data && query.error && <Failure error={query.error} retry={() => void query.refetch()} />}
      <Loaded query={query} rows={10}>
        {({ pages }) => (
          <DataTable
            label="Runs"
            rows={pages.flatMap(({ runs }) => runs)}
            columns={runColumns(titleOf)}
            rowId={({ name }) => idOf(name)}
            linked
            minWidth={860}
            dimmed={query.isPlaceholderData}
            footer={<LoadMore query={query} />}
            empty={
              filtered ? (
                <Empty
                  title="No run fits this filter"
                  action={
                    <Button variant="light" onClick={() => onFilter({})}>
                      Clear the filter
                    </Button>
                  }
                />
              ) : (
                <Empty icon={IconListCheck} title="No runs yet">
                  A run is one execution of a process: an import, the onboarding of a person. Start one and watch it here.
                </Empty>
              )
            }
          />
        )}
      </Loaded>
      {bulk && <BulkDialog filter={filter} onClose={() => setBulk(false)} onStarted={onBulk} />}
    </Page>
  );
}

// A command goes to the runs that the filter names. A search only looks for some of them, so with one there is none to give;
// the button says so to those who see it, hear it and touch it.
function BulkButton({ filter, onClick }: { filter: RunFilter; onClick: () => void }) {
  const id = useId();
  if (!filter.search)
    return (
      <Button variant="default" leftSection={<IconStack2 size={16} />} onClick={onClick}>
        Command all of these
      </Button>
    );
  const why = filterText(filter)
    ? "A command goes to all that the filter names, not only to what the search finds. Clear the search first."
    : "A command goes to all that a filter names; a search is none. Choose a state, a process or the like instead.";
  return (
    <>
      <Tooltip label={why} multiline w={260} events={{ hover: true, focus: true, touch: true }}>
        <Button variant="default" leftSection={<IconStack2 size={16} />} data-disabled aria-disabled aria-describedby={id}>
          Command all of these
        </Button>
      </Tooltip>
      <VisuallyHidden id={id}>{why}</VisuallyHidden>
    </>
  );
}
