/** A failure of set-up that its user can mend: a missing program, a download, a damaged file. */
export class SetupError extends Error {
  override name = "SetupError";
}
