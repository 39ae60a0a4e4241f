// What the SDK does not get right: its functions for shared data pass values where the hostcalls take addresses, and the one that
// changes bodies is imported under the name of another hostcall. The declarations of hostcalls in it are right otherwise.
import { BufferTypeValues, Reference, WasmResultValues } from "@solo-io/proxy-runtime/runtime";
import { proxy_get_shared_data, proxy_set_shared_data } from "@solo-io/proxy-runtime/imports";
import { free } from "@solo-io/proxy-runtime/malloc";

// @ts-ignore: decorator
@external("env", "proxy_set_buffer_bytes")
declare function proxy_set_buffer_bytes(buffer: i32, start: u32, size: u32, data: usize, data_size: usize): u32;

// A compare-and-swap value that no key comes to have: a condition that only a key fulfils that does not exist.
const NEVER: u32 = 0xffffffff;

export class SharedData {
  value: string = "";
  cas: u32 = NEVER;
}

export function getSharedData(key: string): SharedData {
  let result = new SharedData();
  let name = String.UTF8.encode(key);
  let data = new Reference<usize>();
  let size = new Reference<usize>();
  let cas = new Reference<u32>();
  let status = proxy_get_shared_data(changetype<usize>(name), name.byteLength, data.ptr(), size.ptr(), cas.ptr());
  if (status != WasmResultValues.Ok) {
    return result;
  }
  if (size.data > 0) {
    result.value = String.UTF8.decodeUnsafe(data.data, size.data);
    free(data.data);
  }
  result.cas = cas.data;
  return result;
}

// Whether the value was set: somebody else may have been faster.
function setSharedData(key: string, value: string, cas: u32): bool {
  let name = String.UTF8.encode(key);
  let bytes = String.UTF8.encode(value);
  let status = proxy_set_shared_data(changetype<usize>(name), name.byteLength, changetype<usize>(bytes), bytes.byteLength, cas);
  return status != WasmResultValues.CasMismatch;
}

// Adds one to a number in the shared data.
export function increment(key: string): string {
  while (true) {
    let found = getSharedData(key);
    let next = ((found.value == "" ? 0 : I64.parseInt(found.value)) + 1).toString();
    if (setSharedData(key, next, found.cas)) {
      return next;
    }
  }
}

export function replaceBody(buffer: BufferTypeValues, size: u32, body: string): void {
  let bytes = String.UTF8.encode(body);
  proxy_set_buffer_bytes(buffer, 0, size, changetype<usize>(bytes), bytes.byteLength);
}
