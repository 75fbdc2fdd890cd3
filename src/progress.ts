/** What the rooms report while they work; the front doors decide how it looks. */
export type ProgressEvent =
  | { readonly type: 'start'; readonly stage: string; readonly detail?: string }
  | {
      readonly type: 'bytes';
      readonly stage: string;
      readonly doneBytes: number;
      readonly totalBytes?: number;
      /** Whether the total is a guess, which can be passed or never reached. */
      readonly isEstimate?: boolean;
      /** Whether the next run goes on from here when this one is interrupted. */
      readonly isKept?: boolean;
    }
  | { readonly type: 'output'; readonly stage: string; readonly line: string }
  | {
      readonly type: 'done';
      readonly stage: string;
      readonly detail?: string;
      readonly sizeBytes?: number;
      /** Whether nobody wants to read of it. */
      readonly isSilent?: boolean;
    }
  /** Something to know that is neither wrong nor the end of a stage. */
  | { readonly type: 'note'; readonly message: string }
  | { readonly type: 'warning'; readonly message: string };

export type OnProgress = (event: ProgressEvent) => void;

export function warningsTo(onProgress: OnProgress): (message: string) => void {
  return (message) => onProgress({ type: 'warning', message });
}
