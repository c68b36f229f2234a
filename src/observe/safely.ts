/** What a user's function throws is no concern of the call: it is thrown where nobody is in the middle of anything. */
export function tellSafely(tell: () => void): void {
  try {
    tell();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
