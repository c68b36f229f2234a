import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** A certificate authority of a test's own, made by OpenSSL, and whom it vouches for. */
export class Authority {
  readonly #folder = mkdtempSync(join(tmpdir(), "farcall-ca-"));
  readonly ca: Identity;

  constructor(name = "farcall test authority") {
    this.ca = this.#make("ca", ["-x509", "-subj", `/CN=${name}`, "-addext", "basicConstraints=critical,CA:TRUE"]);
  }

  /** @param altName such as `IP:127.0.0.1` or `DNS:localhost` */
  issue(name: string, altName: string): Identity {
    const file = name.replace(/\W/g, "-");
    const extensions = join(this.#folder, `${file}.ext`);
    writeFileSync(extensions, `subjectAltName=${altName}\n`);
    const request = join(this.#folder, `${file}.csr`);
    const keyFile = join(this.#folder, `${file}.key`);
    const certFile = join(this.#folder, `${file}.crt`);
    openssl(
      "req",
      "-new",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-subj",
      `/CN=${name}`,
      "-keyout",
      keyFile,
      "-out",
      request,
    );
    openssl(
      "x509",
      "-req",
      "-in",
      request,
      "-CA",
      this.ca.certFile,
      "-CAkey",
      this.ca.keyFile,
      "-CAcreateserial",
      "-days",
      "2",
      "-extfile",
      extensions,
      "-out",
      certFile,
    );
    return this.#read(certFile, keyFile);
  }

  #make(file: string, more: readonly string[]): Identity {
    const keyFile = join(this.#folder, `${file}.key`);
    const certFile = join(this.#folder, `${file}.crt`);
    openssl(
      "req",
      "-new",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
      "-keyout",
      keyFile,
      "-out",
      certFile,
      ...more,
    );
    return this.#read(certFile, keyFile);
  }

  #read(certFile: string, keyFile: string): Identity {
    return { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8"), certFile, keyFile };
  }
}

function openssl(...args: string[]): void {
  execFileSync("openssl", args, { stdio: "pipe" });
}
