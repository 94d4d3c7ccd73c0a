/** The few kinds of syntax nodes that the tidy rules ask for. */
import {
  type BinaryExpression,
  type BindingElement,
  type CallExpression,
  type ClassDeclaration,
  type ExportDeclaration,
  type FunctionExpression,
  type Identifier,
  type ImportDeclaration,
  type InterfaceDeclaration,
  isBinaryExpression,
  isBindingElement,
  isCallExpression,
  isExportDeclaration,
  isIdentifier,
  isImportDeclaration,
  isNoSubstitutionTemplateLiteral,
  isPropertyAccessExpression,
  isStringLiteral,
  isTaggedTemplateExpression,
  isTemplateExpression,
  type Node,
  type PropertyAccessExpression,
  type StringLiteral,
  SyntaxKind,
  type TemplateExpression,
  type TypeAliasDeclaration,
} from 'typescript/unstable/ast'

export { type CallExpression, type Node, SyntaxKind }

const FUNCTIONS: readonly SyntaxKind[] = [
  SyntaxKind.FunctionDeclaration,
  SyntaxKind.FunctionExpression,
  SyntaxKind.ArrowFunction,
  SyntaxKind.MethodDeclaration,
  SyntaxKind.Constructor,
  SyntaxKind.GetAccessor,
  SyntaxKind.SetAccessor,
]
const TYPES: readonly SyntaxKind[] = [
  SyntaxKind.InterfaceDeclaration,
  SyntaxKind.TypeAliasDeclaration,
  SyntaxKind.ClassDeclaration,
]

export const is = {
  binary: (node: Node): node is BinaryExpression => isBinaryExpression(node),
  bindingElement: (node: Node): node is BindingElement => isBindingElement(node),
  call: (node: Node): node is CallExpression => isCallExpression(node),
  exportDeclaration: (node: Node): node is ExportDeclaration => isExportDeclaration(node),
  identifier: (node: Node): node is Identifier => isIdentifier(node),
  importDeclaration: (node: Node): node is ImportDeclaration => isImportDeclaration(node),
  propertyAccess: (node: Node): node is PropertyAccessExpression => isPropertyAccessExpression(node),
  stringLike: (node: Node): node is StringLiteral =>
    isStringLiteral(node) || isNoSubstitutionTemplateLiteral(node),
  taggedTemplate: (node: Node) => isTaggedTemplateExpression(node),
  template: (node: Node): node is TemplateExpression => isTemplateExpression(node),
  functionWithBody: (node: Node): node is FunctionExpression => FUNCTIONS.includes(node.kind),
  typeLike: (node: Node): node is InterfaceDeclaration | TypeAliasDeclaration | ClassDeclaration =>
    TYPES.includes(node.kind),
  named: (node: Node): node is Node & { readonly name: Node | undefined } => 'name' in node,
}
