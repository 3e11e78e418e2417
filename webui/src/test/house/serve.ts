import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";

// How the parts of the fake house answer: as the router does, but for the faults that a test has planted.
export type Serve = <S extends DescService>(service: S, implementation: Partial<ServiceImpl<S>>) => void;

export function missing(): never {
  throw new ConnectError("not found", Code.NotFound);
}
