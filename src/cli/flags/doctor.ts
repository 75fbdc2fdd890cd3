import { jsonOption, type OptionsOf, storeOption, verb } from '../options.ts';

export function doctorFlags() {
  return verb('doctor', 'check what fetching and packing need on this machine')
    .addOption(storeOption())
    .addOption(jsonOption());
}

export type DoctorOptions = OptionsOf<typeof doctorFlags>;
