/** The name under which clients find whichever server there is. */
export const serverName = "server";

/** The hosts of so many servers. */
export function serverHosts(replicas: number): readonly string[] {
  return Array.from({ length: replicas }, (_, i) => (i === 0 ? serverName : `${serverName}-${i + 1}`));
}
