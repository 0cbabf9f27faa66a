import koffi from 'koffi';
import { unixSocketAddress } from '../../src/daemon/sd-notify.ts';

const libc = koffi.load('libc.so.6');
const openSocket = libc.func('int socket(int domain, int type, int protocol)');
const bind = libc.func('int bind(int fd, const void *address, uint32_t length)');
const receive = libc.func('intptr_t recv(int fd, _Out_ void *data, size_t size, int flags)');
const closeSocket = libc.func('int close(int fd)');

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;

/** A real unix datagram socket, as systemd opens one for NOTIFY_SOCKET (Node itself has none). */
export function listenForDatagrams(path: string): { read(): string[]; close(): void } {
  const address = unixSocketAddress(path);
  if (address === undefined) throw new Error(`no unix socket address: ${path}`);
  const descriptor = openSocket(AF_UNIX, SOCK_DGRAM, 0) as number;
  if (bind(descriptor, address, address.length) !== 0) throw new Error(`cannot bind ${path}`);
  return {
    read() {
      const messages: string[] = [];
      for (;;) {
        const buffer = Buffer.alloc(4096);
        const length = receive(descriptor, buffer, buffer.length, MSG_DONTWAIT) as number;
        if (length < 0) return messages;
        messages.push(buffer.subarray(0, length).toString());
      }
    },
    close: () => void closeSocket(descriptor),
  };
}
