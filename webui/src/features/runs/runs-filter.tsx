import { Badge, Button, Collapse, Group, Select, TextInput, UnstyledButton } from "@mantine/core";
import { useDebouncedCallback, useDisclosure } from "@mantine/hooks";
import { IconAdjustmentsHorizontal, IconSearch } from "@tabler/icons-react";
import { useState } from "react";
import { useActorName, usePeople, useProcesses } from "@/lib/catalogue";
import { humanise, idOf } from "@/lib/names";
import { useViewer } from "@/lib/viewer";
import { type RunFilter, runStates } from "./model/filter";

// Two fields beside each other on a telephone.
const HALF = "calc(50% - 6px)";

interface RunsFilterProps {
  filter: RunFilter;
  onFilter: (filter: RunFilter) => void;
}

// What to look for among the runs. Every field stands in the address.
export function RunsFilter({ filter, onFilter }: RunsFilterProps) {
  const processes = useProcesses();
  const [more, { toggle }] = useDisclosure(Boolean(filter.from || filter.until || filter.key));
  return (
    <div role="search" aria-label="Runs">
      <Group gap="sm">
        <TypedFilter
          label="Search runs"
          placeholder="Title, key or process"
          value={filter.search}
          onValue={(search) => onFilter({ ...filter, search })}
        />
        <Select
          aria-label="State"
          placeholder="Any state"
          clearable
          w={{ base: HALF, xs: 160 }}
          data={runStates.map((value) => ({ value, label: humanise(value) }))}
          value={filter.state ?? null}
          onChange={(state) => onFilter({ ...filter, state: state ?? undefined })}
        />
        <Select
          aria-label="Process"
          placeholder="Any process"
          clearable
          w={{ base: HALF, xs: 200 }}
          data={(processes.data?.processes ?? []).map(({ name, title }) => ({ value: idOf(name), label: title }))}
          value={filter.process ?? null}
          onChange={(process) => onFilter({ ...filter, process: process ?? undefined })}
        />
        <Who value={filter.actor} onValue={(actor) => onFilter({ ...filter, actor })} />
        <Button
          variant="default"
          w={{ base: HALF, xs: "auto" }}
          leftSection={<IconAdjustmentsHorizontal size={16} />}
          aria-expanded={more}
          aria-controls="more-filters"
          onClick={toggle}
        >
          More
        </Button>
        {filter.schedule && (
          <Pill label={`Schedule ${filter.schedule}`} onRemove={() => onFilter({ ...filter, schedule: undefined })} />
        )}
        {filter.build && (
          <Pill label={`Build ${filter.build.slice(0, 12)}`} onRemove={() => onFilter({ ...filter, build: undefined })} />
        )}
      </Group>
      <Collapse expanded={more} id="more-filters">
        <Group gap="sm" mt="sm" align="flex-end">
          <TextInput
            type="date"
            label="Started from"
            w={{ base: HALF, xs: 170 }}
            value={filter.from ?? ""}
            max={filter.until}
            onChange={(event) => onFilter({ ...filter, from: event.currentTarget.value || undefined })}
          />
          <TextInput
            type="date"
            label="until"
            w={{ base: HALF, xs: 170 }}
            value={filter.until ?? ""}
            min={filter.from}
            onChange={(event) => onFilter({ ...filter, until: event.currentTarget.value || undefined })}
          />
          <TypedFilter label="Key" visible value={filter.key} onValue={(key) => onFilter({ ...filter, key })} />
        </Group>
      </Collapse>
    </div>
  );
}

interface TypedFilterProps {
  label: string;
  placeholder?: string;
  // The label stands above the field, not only in the ears of a screen reader.
  visible?: boolean;
  value: string | undefined;
  onValue: (value: string | undefined) => void;
}

// Typed text filters once the person pauses. A value that comes from outside (a link, the clear button) replaces it.
function TypedFilter({ label, placeholder, visible, value, onValue }: TypedFilterProps) {
  const [draft, setDraft] = useState(value ?? "");
  const [sent, setSent] = useState(value ?? "");
  const [known, setKnown] = useState(value ?? "");
  if ((value ?? "") !== known) {
    setKnown(value ?? "");
    // What was typed here comes back by the address, perhaps after more was typed.
    if ((value ?? "") !== sent) setDraft(value ?? "");
  }
  const send = useDebouncedCallback((text: string) => {
    setSent(text);
    onValue(text || undefined);
  }, 300);
  return (
    <TextInput
      type="search"
      w={{ base: "100%", xs: visible ? 220 : 240 }}
      label={visible ? label : undefined}
      aria-label={visible ? undefined : label}
      placeholder={placeholder}
      maxLength={200}
      leftSection={visible ? undefined : <IconSearch size={16} />}
      value={draft}
      onChange={(event) => {
        setDraft(event.currentTarget.value);
        send(event.currentTarget.value.trim());
      }}
    />
  );
}

// Who started it: the viewer first, then the people that the viewer may know.
function Who({ value, onValue }: { value: string | undefined; onValue: (actor: string | undefined) => void }) {
  const { user } = useViewer();
  const { data } = usePeople();
  const nameOf = useActorName();
  const people = (data?.users ?? []).filter(({ name }) => name !== user?.name).map(({ name }) => name);
  const names = [user?.name ?? "", ...people, ...(value && value !== user?.name && !people.includes(value) ? [value] : [])];
  return (
    <Select
      aria-label="Started by"
      placeholder="Anybody"
      clearable
      searchable
      w={{ base: HALF, xs: 180 }}
      data={names.filter(Boolean).map((name) => ({ value: name, label: nameOf(name) }))}
      value={value ?? null}
      onChange={(actor) => onValue(actor ?? undefined)}
    />
  );
}

function Pill({ label, onRemove }: { label: string; onRemove: () => void }) {
  return (
    <Badge
      size="lg"
      rightSection={
        <UnstyledButton fz="sm" aria-label={`Remove the filter: ${label}`} onClick={onRemove}>
          ×
        </UnstyledButton>
      }
    >
      {label}
    </Badge>
  );
}
