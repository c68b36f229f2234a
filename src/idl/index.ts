export { type Diagnostic, formatDiagnostic, formatLocation, type Severity } from "./diagnostic.js";
export {
  type GeneratedFile,
  type GenerateHost,
  type GenerateOptions,
  type GenerateResult,
  generateFiles,
  nodeHost,
  outputPath,
} from "./generate.js";
export { emitIntrospected, type IntrospectedCode, type IntrospectionOptions } from "./introspection/emit.js";
export { type DescribedMethod, signatureText } from "./introspection/method.js";
export { LoadError, type LoadedContract, type LoadedInterface, loadInterface } from "./load.js";
export type { Position, Source, SourceHost, Span } from "./source.js";
export { type CompileOptions, type CompileResult, compile } from "./x/compile.js";
export type { NameStyle } from "./x/names.js";
