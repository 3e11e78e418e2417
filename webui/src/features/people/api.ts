import { useInfiniteQuery, useMutation } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { IdentityService } from "@/gen/services/identity/v1/identity_pb";

const { listUsers, listInvitations, listRoles, disableUser, enableUser, updateUser, withdrawInvitation, createRole, deleteRole } =
  IdentityService.method;

const paged = {
  pageParamKey: "pageToken",
  getNextPageParam: ({ nextPageToken }: { nextPageToken: string }) => nextPageToken || undefined,
} as const;

export function useUsers({ search, state }: { search: string; state: string }) {
  const text = search.replaceAll(/["\\]/g, "");
  const filter = [text && `(email:"${text}" OR displayName:"${text}")`, state && `state="${state}"`].filter(Boolean).join(" AND ");
  return useInfiniteQuery(
    listUsers,
    { filter, orderBy: "displayName", pageSize: 100, pageToken: "" },
    { ...paged, placeholderData: (previous) => previous },
  );
}

export const useInvitations = () => useInfiniteQuery(listInvitations, { pageSize: 100, pageToken: "" }, paged);

export function usePeopleActions() {
  const client = useQueryClient();
  const renew = (schema: typeof listUsers | typeof listInvitations | typeof listRoles) => () =>
    // Each is asked for both page by page and, for names in other pages, as a whole.
    client.invalidateQueries({
      predicate: ({ queryKey }) => (queryKey[1] as { methodName?: string } | undefined)?.methodName === schema.name,
    });
  return {
    disable: useMutation(disableUser, { onSuccess: renew(listUsers) }),
    enable: useMutation(enableUser, { onSuccess: renew(listUsers) }),
    update: useMutation(updateUser, { onSuccess: renew(listUsers) }),
    withdraw: useMutation(withdrawInvitation, { onSuccess: renew(listInvitations) }),
    createRole: useMutation(createRole, { onSuccess: renew(listRoles) }),
    deleteRole: useMutation(deleteRole, { onSuccess: renew(listRoles) }),
  };
}
