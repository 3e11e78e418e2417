import { Anchor, Breadcrumbs, Paper, Stepper } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { type Proposal, usePropose } from "@/components/datasets/propose";
import { Page } from "@/components/ui/page";
import { Failure } from "@/components/ui/states";
import type { Run } from "@/gen/services/runs/v1/runs_pb";
import { problemOf } from "@/lib/errors";
import { idOf } from "@/lib/names";
import { datasetName } from "../api";
import { ChooseDataset } from "./target";
import { ChooseSource, type Source, titleOf } from "./source";
import { formatOf, nothingSaid } from "./reading";
import { ReadingFields } from "./reading-fields";
import { StartImport } from "./start";

interface ImportWizardProps {
  // Where the wizard was opened from, if from a dataset.
  datasetId?: string;
  onStarted: (run: Run) => void;
}

// From a file to a run of `recordimport`, in three steps: source, dataset, start.
export function ImportWizard({ datasetId, onStarted }: ImportWizardProps) {
  const [source, setSource] = useState<Source>();
  const [proposal, setProposal] = useState<Proposal>();
  const [reading, setReading] = useState(nothingSaid);
  const [dataset, setDataset] = useState(datasetId ? datasetName(datasetId) : "");
  const [step, setStep] = useState(0);
  const proposing = usePropose();
  const readAgain = async (file: File) => {
    const proposed = await proposing.propose(file, formatOf(reading)).catch(() => undefined); // The fault is in proposing.error.
    if (proposed) setProposal(proposed);
  };
  return (
    <Page
      title="Import a file"
      subtitle="The rows are counted live while they arrive; what can't be read is kept for correction."
      above={
        <Breadcrumbs mb={4} fz="sm">
          <Anchor inherit renderRoot={(props) => <Link to="/datasets" {...props} />}>
            Datasets
          </Anchor>
        </Breadcrumbs>
      }
    >
      <Paper p="lg">
        <Stepper active={step} onStepClick={(chosen) => chosen < step && setStep(chosen)} size="sm" allowNextStepsSelect={false}>
          <Stepper.Step label="File" description={source ? titleOf(source) : "Upload or address"}>
            <ChooseSource
              onDone={(chosen, proposed) => {
                setSource(chosen);
                setProposal(proposed);
                setReading(nothingSaid);
                setStep(1);
              }}
            />
          </Stepper.Step>
          <Stepper.Step label="Dataset" description={dataset ? idOf(dataset) : "Existing or new"}>
            {source && (
              <ChooseDataset
                fileName={titleOf(source)}
                proposal={proposal}
                initial={dataset}
                onDone={(name) => {
                  setDataset(name);
                  setStep(2);
                }}
              >
                <ReadingFields
                  reading={reading}
                  onChange={setReading}
                  found={proposal?.format}
                  faults={formatFaults(proposing.error)}
                  onAgain={source.kind === "file" ? () => void readAgain(source.local) : undefined}
                  busy={proposing.isPending}
                />
                {proposing.error && <Failure title="The first rows can't be read like this" error={proposing.error} />}
              </ChooseDataset>
            )}
          </Stepper.Step>
          <Stepper.Step label="Start" description="Check and run">
            {source && <StartImport key={dataset} source={source} dataset={dataset} reading={reading} onStarted={onStarted} />}
          </Stepper.Step>
        </Stepper>
      </Paper>
    </Page>
  );
}

// "format.delimiter" -> "delimiter".
function formatFaults(error: unknown): Record<string, string> {
  if (!error) return {};
  return Object.fromEntries(
    Object.entries(problemOf(error).fields).flatMap(([field, fault]) =>
      field.startsWith("format.") ? [[field.slice("format.".length), fault]] : [],
    ),
  );
}
