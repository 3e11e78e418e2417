import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { Code, Group, Stack, Text } from "@mantine/core";
import { Reference } from "@/components/reference";
import { Instant } from "@/components/ui/moment";
import { Copy, Facts, JsonText, Nothing } from "@/components/ui/values";
import { instantOf, isNothing, labelOf, propertiesOf, readable, resolve } from "@/lib/described";

interface DescribedFactsProps {
  value: JsonObject | undefined;
  // JSON Schema of the message that it is: order, numbers, descriptions. Without it names and values speak for themselves.
  schema?: JsonObject;
}

// A Struct as facts: resources as links, files as downloads, counts and times as people read them.
export function DescribedFacts({ value, schema }: DescribedFactsProps) {
  return <Described value={value ?? {}} schema={schema ?? {}} root={schema ?? {}} />;
}

interface DescribedProps {
  value: JsonObject;
  schema: JsonObject;
  // Holds the definitions that `schema` refers to.
  root: JsonObject;
}

function Described({ value, schema, root }: DescribedProps) {
  const known = propertiesOf(schema, root).filter(([name]) => name in value);
  const others = Object.keys(value).filter((name) => !known.some(([one]) => one === name));
  const all = [...known, ...others.map((name): [string, JsonObject] => [name, {}])];
  if (all.length === 0)
    return (
      <Text size="sm" c="dimmed">
        Nothing.
      </Text>
    );
  return (
    <Facts
      facts={all.map(([name, property]) => [
        labelOf(name),
        <Value key={name} name={name} value={value[name] ?? null} schema={resolve(property, root)} root={root} />,
      ])}
    />
  );
}

interface ValueProps {
  name: string;
  value: JsonValue;
  schema: JsonObject;
  root: JsonObject;
}

function Value({ name, value, schema, root }: ValueProps) {
  if (isNothing(value)) return <Nothing />;
  const text = readable(name, value, schema);
  if (text !== undefined) return <span className="numeric">{text}</span>;
  const instant = instantOf(value);
  if (instant) return <Instant time={instant} />;
  if (typeof value === "string") return /^[0-9a-f]{64}$/.test(value) ? <Hash value={value} /> : <Reference value={value} />;
  if (Array.isArray(value)) return <List name={name} values={value} root={root} />;
  if (value === null || typeof value !== "object") return null;
  return (
    <Stack gap={2}>
      {typeof schema.description === "string" && (
        <Text size="xs" c="dimmed">
          {schema.description}
        </Text>
      )}
      <Described value={value} schema={schema} root={root} />
    </Stack>
  );
}

function List({ name, values, root }: { name: string; values: JsonValue[]; root: JsonObject }) {
  if (values.some((one) => one !== null && typeof one === "object")) return <JsonText value={values} />;
  return values.map((one, index) => (
    <div key={index}>
      <Value name={name} value={one} schema={{}} root={root} />
    </div>
  ));
}

// Nobody reads a hash, but some compare it.
function Hash({ value }: { value: string }) {
  return (
    <Group gap={2} component="span" display="inline-flex">
      <Code title={value}>{value.slice(0, 12)}…</Code>
      <Copy value={value} label="Copy the hash" />
    </Group>
  );
}
