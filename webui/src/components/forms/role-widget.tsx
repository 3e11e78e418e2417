import { Select, TextInput } from "@mantine/core";
import type { WidgetProps } from "@rjsf/utils";
import { useRoles } from "@/lib/catalogue";
import { idOf } from "@/lib/names";

// For a field called `role`: the organisation's roles by title. Whoever may not list them types the name.
export function RoleWidget({ id, label, required, value, onChange, rawErrors, schema, disabled }: WidgetProps) {
  const { data } = useRoles();
  const common = { id, label, required, disabled, description: schema.description, error: rawErrors?.join(" ") };
  if (!data)
    return (
      <TextInput
        {...common}
        value={(value as string | undefined) ?? ""}
        onChange={(event) => onChange(event.currentTarget.value || undefined)}
      />
    );
  return (
    <Select
      {...common}
      openOnFocus={false}
      placeholder="Choose a role"
      value={(value as string | undefined) ?? null}
      onChange={(role) => onChange(role ?? undefined)}
      data={data.roles.map(({ name, title }) => ({ value: idOf(name), label: title }))}
    />
  );
}
