/**
 * What every `.x` file may name without defining it, because C's headers and libtirpc's library do: written in the
 * language itself. A definition of the file's own comes first, and only what is used is emitted.
 */
export const prelude = `
/* <sys/types.h>, <stdint.h> */
typedef char int8_t;
typedef unsigned char uint8_t;
typedef unsigned char u_int8_t;
typedef unsigned char u_char;
typedef unsigned char uchar;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef unsigned short u_int16_t;
typedef unsigned short u_short;
typedef unsigned short ushort;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef unsigned int u_int32_t;
typedef unsigned int u_int;
typedef unsigned int uint;
typedef unsigned int u_long;
typedef unsigned int ulong;
typedef hyper int64_t;
typedef unsigned hyper uint64_t;
typedef unsigned hyper u_int64_t;
typedef hyper quad_t;
typedef unsigned hyper u_quad_t;
typedef hyper longlong_t;
typedef unsigned hyper u_longlong_t;
typedef bool bool_t;
typedef bool boolean;
typedef unsigned int uid_t;
typedef unsigned int gid_t;

/* <rpc/types.h> */
typedef unsigned int rpcprog_t;
typedef unsigned int rpcvers_t;
typedef unsigned int rpcproc_t;
typedef unsigned int rpcprot_t;
typedef unsigned int rpcport_t;

/* <rpc/xdr.h>: bytes that only their sender understands. */
typedef opaque netobj<1024>;

/* <rpc/rpcb_clnt.h>: a transport address. */
struct netbuf { unsigned int maxlen; opaque buf<>; };

/* <rpc/des.h> */
typedef opaque des_block[8];

/* <rpc/auth.h>, <rpc/auth_unix.h> */
const MAX_AUTH_BYTES = 400;
const MAXNETNAMELEN = 255;
const MAX_MACHINE_NAME = 255;
const NGRPS = 16;
struct opaque_auth { int flavor; opaque body<400>; };
struct authsys_parms { unsigned int stamp; string machinename<255>; unsigned int uid; unsigned int gid; unsigned int gids<16>; };
typedef authsys_parms authunix_parms;

/* <sys/param.h> */
const MAXPATHLEN = 4096;
const MAXHOSTNAMELEN = 64;
const MAXNAMELEN = 256;
`;

/** The names of the prelude that are plain numbers and booleans: another spelling of a scalar, not a type to export. */
export const transparent: ReadonlySet<string> = new Set(
  [...prelude.matchAll(/^typedef (?:unsigned )?(?:char|short|int|hyper|bool) (\w+);/gm)].map((match) => match[1] ?? ""),
);

/** The prelude's name in messages. */
export const preludePath = "<rpc/rpc.h>";
