/** The server's shapes under the names that the page uses. */
import type { components } from "./schema";

type Shapes = components["schemas"];

export type Node = Shapes["Node"];
export type Project = Shapes["Project"];
export type Tree = Shapes["Tree"];
export type Settings = Shapes["Settings"];
export type Region = Shapes["RegionAsk"];
export type RegionHow = Shapes["RegionHow"];
export type ReferenceHow = Shapes["ReferenceHow"];
export type RegionKind = Region["kind"];
export type Reference = Shapes["ReferenceAsk"];
export type Ask = Shapes["EditAsk"];
export type BranchAsk = Shapes["BranchAsk"];
export type ReplayAsk = Shapes["ReplayAsk"];
export type Comparison = Shapes["Comparison"];
export type Lookup = Shapes["Lookup"];
export type Model = Shapes["Model"];
export type GalleryPicture = Shapes["GalleryPicture"];
export type Queue = Shapes["Queue"];
export type Me = Shapes["Me"];
export type Login = Shapes["Login"];
export type Upload = Shapes["Upload"];
export type ProjectPage = Shapes["Page_Project_"];
export type NodePatch = Shapes["NodePatch"];
