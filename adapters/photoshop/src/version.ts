/** The adapter's version, as in manifest.json and package.json; a test compares them. */
export const VERSION = "0.1.0";
