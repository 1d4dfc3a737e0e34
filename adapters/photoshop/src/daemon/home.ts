/** Where the daemon keeps its files, as it computes it itself. UNDERPAINT_HOME may move it, which a plug-in cannot know. */

export function daemonFile(home: string, system: string, ...names: string[]): string {
  const [folder, mark] = system === "win32" ? [["AppData", "Local", "underpaint"], "\\"] : [[".local", "state", "underpaint"], "/"];
  return [home, ...folder, ...names].join(mark);
}
