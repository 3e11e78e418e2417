import { Actor } from "@/components/actor";
import { useRoles } from "@/lib/catalogue";
import { idOf } from "@/lib/names";

// "roles/approver" or "users/ID", in words.
export function Assignee({ value }: { value: string }) {
  const { data } = useRoles();
  if (value.startsWith("roles/"))
    return <>Everyone with the role {data?.roles.find(({ name }) => name === value)?.title ?? idOf(value)}</>;
  return <Actor name={value} />;
}
